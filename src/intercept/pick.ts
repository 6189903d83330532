/** Which interceptor serves, and why: what was asked for, or the best that works here. */
import { selfExecutable } from "../self.ts";
import { whyHookFails } from "./bash/hook-trial.ts";
import { BashInterceptor } from "./bash/interceptor.ts";
import { NoBashError, namedBash, ownBash } from "./bash/patched-bash.ts";
import type { Interceptor } from "./interceptor.ts";
import { SeccompInterceptor } from "./seccomp/interceptor.ts";
import type { SessionConfig } from "./seccomp/protocol.ts";
import { whyNotSupervised } from "./seccomp/trial.ts";
import { stockBash } from "./stock-bash.ts";

export interface InterceptorWish {
  readonly interceptor: "auto" | "bash" | "seccomp";
  /** --bash */
  readonly bash: string | undefined;
  /** --execve */
  readonly execve: string | undefined;
}

export interface Picked {
  readonly interceptor: Interceptor;
  /** Set where launchers are to have their execs supervised. */
  readonly seccomp: SeccompInterceptor | undefined;
  /** Why it is not what `auto` would rather have; for the log and every result. */
  readonly note: string | undefined;
}

/** An interceptor that was asked for does not work here. */
export class NoInterceptorError extends Error {
  override readonly name = "NoInterceptorError";
}

/**
 * @param config what a supervisor is to decide by itself, now
 * @throws NoInterceptorError, NoBashError
 */
export async function pickInterceptor(wish: InterceptorWish, config: () => SessionConfig): Promise<Picked> {
  if (wish.interceptor === "bash") return pickBash(wish, undefined);
  const why = await whyNotSupervised();
  if (why === undefined) {
    const seccomp = new SeccompInterceptor(wish.bash ?? stockBash() ?? namedBash(undefined)?.path ?? (await ownBash()), config);
    return { interceptor: seccomp, seccomp, note: undefined };
  }
  if (wish.interceptor === "seccomp") throw new NoInterceptorError(`--interceptor seccomp does not work here: ${why}`);
  return pickBash(
    wish,
    process.platform === "linux" ? `only what Bash itself starts was checked, because seccomp does not work here: ${why}` : undefined,
  );
}

/** What the user names is tried first: a Bash that asks nobody would run everything. */
async function pickBash({ interceptor, bash, execve }: InterceptorWish, note: string | undefined): Promise<Picked> {
  const helper = execve ?? selfExecutable();
  if (helper === undefined)
    throw new NoInterceptorError("run from source there is no executable for Bash's exec hook: name one with --execve");
  const picked = (path: string, ...notes: (string | undefined)[]): Picked => ({
    interceptor: new BashInterceptor(path, helper),
    seccomp: undefined,
    note: notes.filter((one) => one !== undefined).join("; ") || undefined,
  });
  const named = namedBash(bash);
  if (named === undefined && execve === undefined) return picked(await ownBash(), note);
  const path = named?.path ?? (await ownBash());
  const failure = await whyHookFails(path, helper);
  if (failure === undefined) return picked(path, note);
  const flags = [...(named === undefined ? [] : [named.from]), ...(execve === undefined ? [] : ["--execve"])].join(" and ");
  const cannot = new NoBashError(
    `the bash interceptor does not work with ${path}: ${failure}. Leave out ${flags} to use the patched Bash inside this program`,
  );
  if (interceptor !== "auto" || execve !== undefined) throw cannot;
  const own = await ownBash().catch(() => {
    throw cannot;
  });
  return picked(own, note, `the patched Bash inside this program was used in place of ${path}: ${failure}`);
}
