/** What a user should know of git in a workspace: what will fail inside, and which hooks are within a command's reach. */
import { join, resolve } from "node:path";
import { gitConfigPaths } from "./git-config.ts";
import { isWithin, type Places } from "./places.ts";

export function gitNotes(workspaces: readonly string[], writable: readonly string[], places: Places): string[] {
  return workspaces.flatMap((root) => {
    const git = join(root, ".git");
    const target = places.kind(git) === "file" ? /^gitdir: (.+?)\s*$/.exec(places.text(git) ?? "")?.[1] : undefined;
    const folder = target === undefined ? git : (places.real(resolve(root, target)) ?? git);
    const notes: string[] = [];
    if (!writable.some((path) => isWithin(folder, path))) {
      notes.push(
        `${root} is a linked worktree whose repository (${folder}) is not in a writable root: git can read, but not commit inside`,
      );
    }
    const hooks = gitConfigPaths(places.text(join(folder, "config")) ?? "").hooksPath;
    const path = hooks === undefined || hooks.startsWith("~") ? undefined : resolve(root, hooks);
    if (path !== undefined && path !== join(folder, "hooks") && writable.some((writableRoot) => isWithin(path, writableRoot))) {
      notes.push(`git runs hooks from ${path}, which commands inside can change: no rule alone lets git out there`);
    }
    return notes;
  });
}
