/** Root in a workspace that belongs to someone else, as in a container with a folder mounted from the host. */
import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { Stage, settings } from "./inside.ts";

describe.each(settings.filter(({ uid, machine }) => uid === 0 && machine.namespaces?.tool !== "bwrap"))("$name", (setting) => {
  const namespaces = setting.machine.namespaces !== undefined;

  test("root can work in a folder that is another user's, and still nowhere else", () => {
    using stage = new Stage(setting);
    stage.file(stage.outside, "victim", "x");
    stage.unsandboxed("mkdir own; echo x > own/file; chmod 700 own; chown -R 54321:54321 . $OUT; chmod 700 $OUT");
    const before = statSync(join(stage.outside, "victim"), { bigint: true });
    const inside = [
      "echo y >> own/file",
      "touch own/new",
      "cat $OUT/victim",
      ...(namespaces ? ["chmod 600 own/file", "chown 1:1 own/new", "tar cf t own && tar xf t"] : []),
    ];
    const outside = [
      "echo y > $OUT/victim",
      "touch $OUT/new",
      "rm -f $OUT/victim",
      ...(namespaces ? ["chmod 777 $OUT/victim", "touch $OUT/victim"] : []),
      "chown 1:1 $OUT/victim",
      "mknod dev b 254 0",
      "mknod dev c 1 3",
      "mount -t tmpfs none .",
      "echo core > /proc/sys/kernel/core_pattern",
      "echo 10 > /proc/sys/user/max_user_namespaces",
      "echo h > /proc/sysrq-trigger",
      "exec 7>>$(ls -d /dev/vd? /dev/sd? /dev/nvme0n1 2>/dev/null | head -1)",
      "setpriv --reuid 54321 true",
      "chroot / true",
      "head -c1 /proc/1/mem",
      "unshare -m true",
      "ip link add dummy0 type dummy",
    ];
    expect(stage.worked([...inside, ...outside])).toEqual(inside);
    const after = statSync(join(stage.outside, "victim"), { bigint: true });
    expect([after.mode, after.uid, after.mtimeNs, after.ctimeNs]).toEqual([before.mode, before.uid, before.mtimeNs, before.ctimeNs]);
  });
});
