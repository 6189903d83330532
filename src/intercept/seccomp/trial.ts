/**
 * Whether execs can be supervised here, found out by doing it once per process: a launcher with a listener, Bash under it, a program
 * that runs and one that a rule refuses. A kernel may lack listeners, another one above this process may be in the way (EBUSY), a
 * container may refuse to receive notifications or to trace.
 */
import { openNull } from "../../../ffi/small-files.ts";
import { LauncherProcess } from "../../launcher/launcher-process.ts";
import { inheritedOpenFiles } from "../../launcher/process-state.ts";
import { RuleSet } from "../../policy/rule-set.ts";
import { OPEN } from "../../sandbox/plan.ts";
import { selfCommand } from "../../self.ts";
import { printable } from "../../text/printable.ts";
import { stockBash } from "../stock-bash.ts";
import { SeccompInterceptor } from "./interceptor.ts";

let known: Promise<string | undefined> | undefined;

/** @returns why not, for people; undefined where they can */
export function whyNotSupervised(): Promise<string | undefined> {
  known ??= tryOnce();
  return known;
}

const LIMIT_MS = 10_000;
const EXPECTED = 7;
/** `env` is refused, and ends with 1; `cat` runs. */
const SCRIPT = `command -p env; [ $? = 1 ] && command -p cat /dev/null && exit ${EXPECTED}`;

async function tryOnce(): Promise<string | undefined> {
  const file = stockBash();
  if (process.platform !== "linux") return "seccomp is a feature of Linux";
  if (file === undefined) return "no Bash was found to try it with";
  using interceptor = new SeccompInterceptor(file, () => ({ rules: refusingEnv().plain(), verify: true, observe: false }));
  try {
    using launcher = await LauncherProcess.start({
      command: selfCommand("launcher"),
      env: [],
      openFiles: inheritedOpenFiles(),
      plan: OPEN,
      filter: { notifyExec: true, confine: false, network: "on" },
      supervise: (listener, terms) => interceptor.supervise(listener, terms),
    });
    using nothing = openNull();
    const argv = ["bash", "-c", SCRIPT];
    launcher.supervision?.admit(file, argv);
    const running = await launcher.spawn({ file, argv, env: [], cwd: "/", fds: [0, 1, 2].map((to) => ({ from: nothing.fd, to })) });
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(resolve, LIMIT_MS);
    const exit = await Promise.race([running.exited, late]);
    clearTimeout(timer);
    return exit?.code === EXPECTED ? undefined : "a program under a seccomp listener did not run as it should";
  } catch (error) {
    return printable(error instanceof Error ? error.message : String(error), 300);
  }
}

function refusingEnv(): RuleSet {
  const rules = new RuleSet();
  const place = { file: "trial", line: 1, column: 1 };
  rules.addPrefixRule({ first: "env", rest: [], decision: "forbidden", justification: undefined, place, remembered: false });
  return rules;
}
