/**
 * `execgate policy init`: a first rules file, with comments that teach the language.
 *
 * Guarantees: an existing file, or a link of that name, is never written over.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { RulesError } from "./errors.ts";
import { errorCode } from "./files.ts";

/** The name of the file in the user's folder for rules; "always" writes to another, `default.rules`. */
export const STARTER_NAME = "starter.rules";

/** Writes the starter file. @throws {RulesError} code `unreadable` where something is there already or nothing can be written. */
export function writeStarter(file: string): void {
  let fd: number;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    fd = openSync(file, "wx", 0o600);
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") throw new RulesError("unreadable", "is there already: it is not written over", { file });
    throw new RulesError("unreadable", `cannot be written (${code})`, { file }, { cause: error });
  }
  try {
    writeSync(fd, STARTER_RULES);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

export const STARTER_RULES = `# Rules of execgate. Every program that a command starts is looked up here.
#
#   decision="allow"      it runs outside the sandbox
#   decision="prompt"     you are asked; if you agree, it runs outside the sandbox
#   decision="forbidden"  it does not run at all
#   no rule               it runs inside the sandbox
#
# A rule matches where its pattern is a prefix of the command. A list in a pattern means: one of these. Of several rules that match,
# the strictest counts. What lies where the sandbox can write is never run outside, whatever a rule says.
#
# What follows the prefix is allowed with it, and some programs run what they are told to (git fetch --upload-pack=COMMAND): allow what
# takes no such arguments, and be asked about the rest.
#
# Try a rule:  execgate policy explain -- git push origin main

# Git over the network: asked, for its arguments can make it run anything. Everything else of git works inside the sandbox.
prefix_rule(
    pattern = ["git", ["push", "pull", "fetch", "clone", "ls-remote"]],
    decision = "prompt",
    justification = "git talks to another machine, with your credentials",
    match = ["git push origin main", "git fetch"],
    not_match = ["git status", "git commit -m push"],
)
prefix_rule(
    pattern = ["git", "push", ["--force", "-f", "--mirror", "--delete"]],
    decision = "forbidden",
    justification = "This rewrites or removes what others may have. Ask the user to do it.",
    match = ["git push --force origin main"],
    not_match = ["git push origin main"],
)

# GitHub: reading is allowed, the rest is asked.
prefix_rule(
    pattern = ["gh", ["pr", "issue", "run", "release", "repo"], ["view", "list", "status", "diff", "checks"]],
    decision = "allow",
    match = ["gh pr view 12", "gh issue list"],
    not_match = ["gh pr merge 12"],
)
prefix_rule(pattern = ["gh", "search"], decision = "allow")
prefix_rule(
    pattern = ["gh", ["pr", "issue", "release", "repo"], ["create", "edit", "close", "reopen", "merge", "comment", "review", "delete", "ready"]],
    decision = "prompt",
    justification = "gh changes something on GitHub",
    match = ["gh pr create --fill"],
)
prefix_rule(pattern = ["gh", ["api", "workflow", "secret", "auth"]], decision = "prompt", justification = "gh talks to GitHub with your account")

# Package managers: installing runs other people's code outside the sandbox; publishing cannot be undone.
for manager in ["npm", "pnpm", "yarn", "bun"]:
    prefix_rule(
        pattern = [manager, ["install", "i", "ci", "add", "update", "upgrade", "publish"]],
        decision = "prompt",
        justification = manager + " runs scripts of packages, or publishes",
    )
prefix_rule(pattern = [["pip", "pip3", "uv", "pipx"], ["install", "sync", "add", "publish"]], decision = "prompt", justification = "installs or publishes packages")
prefix_rule(pattern = ["cargo", ["install", "publish", "fetch"]], decision = "prompt", justification = "cargo installs, publishes or downloads")
prefix_rule(pattern = ["go", ["install", "get"]], decision = "prompt", justification = "go downloads modules")
prefix_rule(pattern = [["apt", "apt-get", "dnf", "brew"], ["install", "remove", "upgrade"]], decision = "prompt", justification = "changes this machine")

# Containers and other machines.
prefix_rule(pattern = [["docker", "podman"]], decision = "prompt", justification = "a container can reach everything that you can")
prefix_rule(pattern = [["ssh", "scp", "sftp", "rsync"]], decision = "prompt", justification = "reaches another machine with your keys")

# A name stands for any path that ends in it. To pin one down:
# host_executable(name = "git", paths = ["/usr/bin/git", "/opt/homebrew/bin/git"])

# Variables of a command that a program run outside may keep (by default only language, terminal and colour settings):
# escalate_env("CI", "GH_REPO")
`;
