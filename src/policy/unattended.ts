/**
 * The environment of a program at whose terminal no user sits: nothing that it starts to show or edit a text takes commands.
 *
 * Pagers and editors do what their input says, and that is the caller's: `vi` reads keys from a plain standard input, `less` runs what
 * follows a `!`. So a pager is `cat`, and an editor one that fails, which ends what wanted it (a commit without a message). The variables
 * are those that win over a program's own configuration; any other of the server's that names a pager or an editor becomes the same.
 */
const PAGERS = ["PAGER", "GIT_PAGER", "GH_PAGER", "MANPAGER", "SYSTEMD_PAGER"];
const EDITORS = [
  "EDITOR",
  "VISUAL",
  "GIT_EDITOR",
  "GIT_SEQUENCE_EDITOR",
  "GH_EDITOR",
  "HGEDITOR",
  "SVN_EDITOR",
  "JJ_EDITOR",
  "KUBE_EDITOR",
];

const UNATTENDED: ReadonlyMap<string, string> = new Map([
  ...PAGERS.map((name) => [name, "cat"] as const),
  ...EDITORS.map((name) => [name, "false"] as const),
  ["LESSSECURE", "1"],
  ["SYSTEMD_PAGERSECURE", "1"],
  // Fail at once, and say why, where a name or password is wanted.
  ["GIT_TERMINAL_PROMPT", "0"],
]);

/** @param env entries "NAME=value" */
export function unattended(env: readonly string[]): string[] {
  const kept = env.flatMap((entry) => {
    const name = entry.slice(0, Math.max(0, entry.indexOf("=")));
    if (UNATTENDED.has(name)) return [];
    if (name.endsWith("PAGER")) return [`${name}=cat`];
    return name.endsWith("EDITOR") ? [`${name}=false`] : [entry];
  });
  return [...kept, ...[...UNATTENDED].map(([name, value]) => `${name}=${value}`)];
}
