/** Why Bash could not be started: posix_spawn(3) has one error for the folder that it cannot enter and the program that it cannot run. */
import { accessSync, constants, statSync } from "node:fs";
import { SpawnRefused } from "../launcher/launcher-process.ts";
import { errorCode, fsPath } from "../policy/files.ts";

/** `message` says what is missing, for whoever named it. */
export class StartError extends Error {
  override readonly name = "StartError";
}

/** @returns a StartError where it can be told what is missing, else `error` */
export function startFailure(error: unknown, bash: string, workdir: string): unknown {
  if (!(error instanceof SpawnRefused)) return error;
  const why = missingFolder(workdir) ?? missingProgram(bash);
  return why === undefined ? error : new StartError(why, { cause: error });
}

function missingFolder(path: string): string | undefined {
  try {
    return statSync(fsPath(path)).isDirectory() ? undefined : `workdir: ${path} is not a folder`;
  } catch (error) {
    return errorCode(error) === "ENOENT"
      ? `workdir: there is no folder ${path}`
      : `workdir: ${path} cannot be entered (${errorCode(error)})`;
  }
}

function missingProgram(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return `there is no Bash to run at ${path} (${errorCode(error)}); --bash names another`;
  }
}
