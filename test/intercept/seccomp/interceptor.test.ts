import { expect, test } from "bun:test";
import { SeccompInterceptor } from "../../../src/intercept/seccomp/interceptor.ts";
import { LauncherProcess } from "../../../src/launcher/launcher-process.ts";
import { parseRules } from "../../../src/policy/parse-rules.ts";
import { LAUNCHER } from "../../support/launcher.ts";

test("no call runs on a launcher that does not notify of execs while there is a rule about them", async () => {
  using launcher = await LauncherProcess.start(LAUNCHER);
  const begin = (text: string) => {
    const rules = parseRules("test.rules", text).plain();
    using interceptor = new SeccompInterceptor("/bin/bash", () => ({ rules, verify: false, observe: false }));
    return interceptor.begin({} as never, launcher);
  };
  expect(begin("").failed).toBeUndefined();
  expect(() => begin('prefix_rule(["true"])')).toThrow("does not notify of execs");
});
