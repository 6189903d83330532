/** Read everywhere, write in the writable roots alone (threats.md 10). */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Stage, settings, WORKSPACE_WRITE } from "./inside.ts";

const BIND = `perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un("$ENV{OUT}/sock")) or die'`;

describe.each([...settings])("$name", (setting) => {
  const namespaces = setting.machine.namespaces !== undefined;

  test("the workspace, /tmp and devices can be written, everything can be read", () => {
    using stage = new Stage(setting);
    stage.file(stage.outside, "secret", "read me");
    const script = `set -e; echo hi > file; mkdir -p a/b; mv file a/b/file; cat a/b/file; ln a/b/file a/hard; ln -s b a/soft; chmod 600 a/hard
      cat "$OUT/secret"; echo x > /dev/null; : > /tmp/execgate-$$; rm /tmp/execgate-$$; (echo " x" > /dev/stdout) | cat; rm -r a; echo done`;
    expect(stage.inside(script)).toEqual({ status: 0, out: "hi\nread me x\ndone\n", err: "" });
  });

  test("nothing outside is written, by any name for it", () => {
    using stage = new Stage(setting);
    const victim = stage.file(stage.outside, "victim", "untouched");
    symlinkSync(stage.outside, join(stage.workspace, "way-out"));
    const attempts = [
      'echo x > "$OUT/victim"',
      'echo x >> "$OUT/victim"',
      'echo x > "$OUT/new"',
      'mkdir "$OUT/dir"',
      'rm -f "$OUT/victim"',
      'truncate -s 0 "$OUT/victim"',
      'touch mine; mv -f mine "$OUT/victim"',
      'mv "$OUT/victim" .',
      'way="way-out/victim"; echo x > "$way"',
      'ln -s "$OUT" again; echo x > again/victim',
      "echo x > ../outside/victim",
      'echo x > "/proc/self/root$OUT/victim"',
      "echo x > /proc/self/cwd/../outside/victim",
      'exec 7< "$OUT/victim"; echo x > /proc/self/fd/7',
      'exec 7< "$OUT/victim"; echo x > /dev/fd/7',
      '{ echo x > /dev/stdin; } < "$OUT/victim"',
      'ln "$OUT/victim" hard && echo x > hard',
      'echo x > f; ln f "$OUT/linked"',
      'mkdir -p m; mount --bind "$OUT" m && echo x > m/victim',
      `unshare -Urm bash -c 'mount -o remount,rw,bind / ; echo x > "$OUT/victim"'`,
      BIND,
      'mkfifo "$OUT/fifo"',
    ];
    expect(stage.worked(attempts)).toEqual([]);
    expect(readdirSync(stage.outside)).toEqual(["victim"]);
    expect(readFileSync(victim, "utf8")).toBe("untouched");
    // The control: the same user may do it.
    expect(stage.unsandboxed(`echo x > "$OUT/victim" && mkdir "$OUT/dir" && ${BIND}`).status).toBe(0);
  });

  test.skipIf(!namespaces)("mode, owner, times and attributes of what is outside stay", () => {
    using stage = new Stage(setting);
    const victim = stage.file(stage.outside, "victim", "x");
    const before = statSync(victim, { bigint: true });
    for (const attempt of [
      'chmod 777 "$OUT"',
      'chmod 600 "$OUT/victim"',
      'touch -d 2001-01-01 "$OUT"',
      'touch "$OUT/victim"',
      'chgrp 1 "$OUT/victim"',
      'setfattr -n user.x -v y "$OUT/victim"',
      'exec 7< "$OUT"; chmod 700 /proc/self/fd/7',
    ]) {
      expect({ attempt, status: stage.inside(attempt).status === 0 }).toEqual({ attempt, status: false });
    }
    const after = statSync(victim, { bigint: true });
    expect([after.mode, after.uid, after.mtimeNs, after.ctimeNs]).toEqual([before.mode, before.uid, before.mtimeNs, before.ctimeNs]);
    expect(stage.unsandboxed('chmod 700 "$OUT"').status).toBe(0);
  });

  test("under read-only nothing but devices is written", () => {
    using stage = new Stage(setting);
    const plan = stage.plan({ type: "read-only", network_access: false });
    const { out } = stage.inside("echo x > file && echo WORKED; echo x > /tmp/execgate-x && echo WORKED; echo x > /dev/null; ls -A", plan);
    expect(out).toBe("");
  });

  test("TMPDIR is writable unless excluded; so is /tmp", () => {
    using stage = new Stage(setting);
    const tmpdir = stage.folder("temporary");
    const attempt = `: > ${tmpdir}/$$ && echo tmpdir; : > /tmp/execgate-$$ && echo tmp; rm -f /tmp/execgate-$$`;
    expect(stage.inside(attempt, stage.plan(WORKSPACE_WRITE, { tmpdir })).out).toBe("tmpdir\ntmp\n");
    const excluded = { ...WORKSPACE_WRITE, exclude_tmpdir_env_var: true, exclude_slash_tmp: true } as const;
    expect(stage.inside(attempt, stage.plan(excluded, { tmpdir })).out).toBe("");
  });
});
