/**
 * Where rules come from, and reading them.
 *
 * Guarantees: all files are read and every file's error is reported; if there is one, there are no rules at all. Nothing is ever
 * read from the workspace: only from what a flag names or from the user's own folder (design.md rule 6).
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { RulesError, RulesLoadError } from "./errors.ts";
import { errorCode } from "./files.ts";
import { parseCommands, RememberedCommands } from "./remembered-commands.ts";
import { isRememberedLine } from "./remembered-line.ts";
import { RuleSet } from "./rule-set.ts";

export interface RulePlaces {
  /** What `--rules` named; an empty list means the default place. */
  readonly named: readonly string[];
  /** HOME; empty or relative counts as unset. */
  readonly home: string | undefined;
  /** XDG_CONFIG_HOME; empty or relative counts as unset (XDG Base Directory Specification). */
  readonly configHome: string | undefined;
}

export interface LoadedRules {
  readonly rules: RuleSet;
  /** The files that were read, in order. */
  readonly files: readonly string[];
  /** What "always" has allowed word for word; none where a flag names the rules. */
  readonly commands: RememberedCommands;
}

/** The user's own folder for rules, or `undefined` where there is no home. */
export function defaultRulesFolder(places: Pick<RulePlaces, "home" | "configHome">): string | undefined {
  if (places.configHome?.startsWith("/")) return join(places.configHome, "execgate", "rules");
  if (places.home?.startsWith("/")) return join(places.home, ".config", "execgate", "rules");
  return undefined;
}

/** The files that "always" appends to: rules for whatever begins so, and whole commands. */
export interface RememberedFiles {
  readonly rules: string;
  readonly commands: string;
}

/** Where "always" writes, whether or not it is among what is loaded. */
export function rememberedFiles(places: Pick<RulePlaces, "home" | "configHome">): RememberedFiles | undefined {
  const folder = defaultRulesFolder(places);
  return folder === undefined ? undefined : { rules: join(folder, "default.rules"), commands: join(folder, "default.commands") };
}

/** Reads every rules file. @throws {RulesLoadError} with the errors of all files. */
export function loadRules(places: RulePlaces): LoadedRules {
  const errors: RulesError[] = [];
  const rules = new RuleSet();
  const files = findFiles(places, errors);
  for (const { set, error } of readFiles(files, places)) {
    if (set !== undefined) rules.addAll(set);
    if (error !== undefined) errors.push(error);
  }
  const commands = readCommands(places, files, errors);
  if (errors.length > 0) throw new RulesLoadError(errors);
  return { rules, files, commands };
}

/** Loaded once there is something to parse: its tables take as long as Bun's start, which a server without rules need not wait for. */
const parser = () => require("./parse-rules.ts") as typeof import("./parse-rules.ts");

interface ReadFile {
  readonly path: string;
  /** Undefined where there is an error. */
  readonly set: RuleSet | undefined;
  readonly error: RulesError | undefined;
}

/** Each file's rules or error, in order; the `host_executable`s of earlier ones count for the examples of later ones. */
function readFiles(files: readonly string[], places: RulePlaces): ReadFile[] {
  const earlier = new RuleSet();
  const remembered = rememberedFiles(places)?.rules;
  return files.map((path) => {
    try {
      const isRemembered = path === remembered ? isRememberedLine : undefined;
      const set = parser().parseRules(path, readText(path), { home: places.home, earlier, isRemembered });
      for (const host of set.hostExecutables.values()) earlier.addHostExecutable(host);
      return { path, set, error: undefined };
    } catch (error) {
      if (!(error instanceof RulesError)) throw error;
      return { path, set: undefined, error };
    }
  });
}

/** None where a flag names the rules, and where there is no rule that could ask. */
function readCommands(places: RulePlaces, files: readonly string[], errors: RulesError[]): RememberedCommands {
  const file = files.length === 0 || places.named.length > 0 ? undefined : rememberedFiles(places)?.commands;
  try {
    if (file !== undefined) return parseCommands(file, readText(file));
  } catch (error) {
    if (!(error instanceof RulesError)) throw error;
    if (error.code !== "missing") errors.push(error);
  }
  return new RememberedCommands();
}

function findFiles(places: RulePlaces, errors: RulesError[]): string[] {
  if (places.named.length === 0) {
    const folder = defaultRulesFolder(places);
    return folder === undefined ? [] : listFolder(folder, true, errors);
  }
  return places.named.flatMap((path) => {
    try {
      return statSync(path).isDirectory() ? listFolder(path, false, errors) : [path];
    } catch (error) {
      errors.push(readError(path, error));
      return [];
    }
  });
}

/** The `*.rules` of a folder, sorted by name; subfolders are not looked into. */
function listFolder(folder: string, mayBeMissing: boolean, errors: RulesError[]): string[] {
  try {
    const names = readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.name.endsWith(".rules") && !entry.isDirectory())
      .map((entry) => entry.name);
    return names.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)).map((name) => join(folder, name));
  } catch (error) {
    if (!(mayBeMissing && errorCode(error) === "ENOENT")) errors.push(readError(folder, error));
    return [];
  }
}

function readText(file: string): string {
  let bytes: Uint8Array;
  try {
    if (!statSync(file).isFile()) throw new RulesError("unreadable", "this is not a file", { file });
    bytes = readFileSync(file);
  } catch (error) {
    throw error instanceof RulesError ? error : readError(file, error);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new RulesError("syntax", "this file is not UTF-8 text", { file }, { cause: error });
  }
}

function readError(file: string, error: unknown): RulesError {
  const code = errorCode(error);
  if (code === "ENOENT") return new RulesError("missing", "there is no such file or folder", { file }, { cause: error });
  return new RulesError("unreadable", `cannot be read (${code})`, { file }, { cause: error });
}

/** What {@link inspectRules} says of one file. */
export interface InspectedFile {
  readonly path: string;
  /** How many `prefix_rule`s, by first token. */
  readonly rules: number;
  /** How many `network_rule`s, which nothing enforces yet. */
  readonly networkRules: number;
  /** Why it could not be read. */
  readonly error?: string | undefined;
}

/** Each rules file as {@link loadRules} reads it, and whatever else cannot be read; for showing. */
export function inspectRules(places: RulePlaces): InspectedFile[] {
  const errors: RulesError[] = [];
  const files = findFiles(places, errors);
  const inspected = readFiles(files, places).map(({ path, set, error }): InspectedFile => {
    return { path, rules: set?.size ?? 0, networkRules: set?.networkRules.length ?? 0, ...(error && { error: error.message }) };
  });
  readCommands(places, files, errors);
  return [...inspected, ...errors.map((error) => ({ path: error.file, rules: 0, networkRules: 0, error: error.message }))];
}
