/**
 * Threat 13: setsid, double fork and ignored signals. Nothing of a call outlives it, inside or outside the sandbox: on success, time-out, cancel, and
 * when the client goes or the server is killed. With a process namespace (workspace-write where the machine has one), and without (danger-full-access,
 * and Landlock alone).
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { alive, type Conditions, Grounds, INTERCEPTORS, until } from "../support/grounds.ts";
import type { RawClient } from "../support/raw-client.ts";

const RULES = 'prefix_rule(["outside"])\n';

/** Gets away as far as it can: a session of its own, orphaned, deaf to signals; then says that it is there. */
const AWAY = `
ready=$1
trap '' TERM HUP INT QUIT USR1 USR2
setsid sh -c 'trap "" TERM HUP INT QUIT; (setsid sh -c "trap \\"\\" TERM HUP INT QUIT; echo > $0; while :; do sleep 1000; done" "$0" &) &' "$ready" >/dev/null 2>&1 &
`;

const ENDINGS: Record<string, (client: RawClient, go: () => void, id: number, result: Promise<unknown>) => Promise<unknown>> = {
  success: (_client, go, _id, result) => {
    go();
    return result;
  },
  "time-out": (_client, _go, _id, result) => result,
  cancel: async (client, _go, id) => client.cancel(id),
  "the client gone": async (client) => {
    await client.leave();
    expect(await client.exited).toBe(0);
  },
  "the server killed": async (client) => client.kill(),
};

/** Namespaces cannot be made under a limit of none: what the machine offers then is Landlock alone. */
const NO_NAMESPACES = ["unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c"];
const LIMIT =
  'for kind in user mnt pid net; do echo 0 > /proc/sys/user/max_"$kind"_namespaces || exit 1; done; exec setpriv --ambient-caps=-all --inh-caps=-all "$0" "$@"';
const LANDLOCK_ALONE = [...NO_NAMESPACES, LIMIT];

const can = Bun.spawnSync([...LANDLOCK_ALONE, "unshare", "--user", "true"], { stdout: "ignore", stderr: "ignore" });
const forced = Bun.spawnSync([...LANDLOCK_ALONE, "true"], { stdout: "ignore", stderr: "pipe" });
const landlockAlone = forced.exitCode === 0 && can.exitCode !== 0;
if (!landlockAlone) process.stderr.write(`not tried with Landlock alone: namespaces cannot be switched off here: ${forced.stderr}\n`);

const MEANS: [string, Conditions][] = [
  ["workspace-write", {}],
  ["danger-full-access", { sandbox: "danger-full-access" }],
  ...(landlockAlone ? [["workspace-write by Landlock alone", { front: LANDLOCK_ALONE }] satisfies [string, Conditions]] : []),
];

describe.each(MEANS.flatMap(([means, conditions]) => INTERCEPTORS.map((interceptor) => [means, interceptor, conditions] as const)))(
  "%s, %s",
  (_, interceptor, conditions) => {
    test.each(Object.entries(ENDINGS))("%s", async (ending, end) => {
      using g = new Grounds(RULES);
      writeFileSync(join(g.workspace, "inside"), AWAY, { mode: 0o755 });
      g.program("outside", AWAY);
      await using client = await g.serve({ interceptor, ...conditions });
      const script = `: ${g.top}; trap '' TERM HUP; mkfifo go; sh ./inside ${g.workspace}/in-ready; outside ${g.outside}/out-ready; read -r _ <>go`;
      const { id, result } = client.call(script, ending === "time-out" ? { timeout_ms: 6000 } : {});
      result.catch(() => {});
      const ready = [join(g.workspace, "in-ready"), join(g.outside, "out-ready")];
      await until("both have got away", () => ready.every((file) => existsSync(file)));
      // Positive control: they run, and their parents do not.
      const away = () => g.processes().filter((pid) => pid !== client.pid);
      expect(away().length).toBeGreaterThanOrEqual(2);
      const started = client.started.filter(alive);
      await end(client, () => writeFileSync(join(g.workspace, "go"), "\n"), id, result);
      await until("nothing is left", () => away().length === 0);
      if (ending === "success") expect((await result).killed).toBeGreaterThanOrEqual(2);
      if (ending === "time-out") expect(await result).toMatchObject({ timed_out: true, exit_code: 137 });
      // Launchers wait for the next call, but not for a client that has gone.
      if (ending === "the client gone" || ending === "the server killed") await until("launchers end", () => !started.some(alive));
      else expect((await client.shell("echo next")).output).toBe("next\n");
    });
  },
);

test.if(landlockAlone)("Landlock alone is what it says: no namespace is new, and yet nothing outside can be written", async () => {
  using g = new Grounds();
  const result = await g.exec(`readlink /proc/self/ns/pid /proc/self/ns/mnt; echo x > ${g.outside}/x`, { front: LANDLOCK_ALONE });
  const ours = ["pid", "mnt"].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
  expect(result.output.split("\n").slice(0, 2)).toEqual(ours);
  expect(result.output).toContain("Permission denied");
});
