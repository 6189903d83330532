/** What the server tells a model: title, description, instructions. Together under 2 KB, since every session pays for them. */

export const TITLE = "Shell (sandboxed Bash, every exec checked)";

export const DESCRIPTION = [
  "Runs a command with Bash and returns its exit code and output.",
  "Every program that the command starts, at any depth, is checked against the user's rules: most run inside a sandbox, some are run outside it, some are refused.",
  "stdin is empty; stdout and stderr come back together, in the order they were written. The middle of very long output is left out.",
  "When the command ends, so does everything it started: do not start background services and expect them to stay.",
].join("\n");

export const INSTRUCTIONS = [
  "Use the `shell` tool for every shell command. Pass `workdir` instead of `cd`. Raise `timeout_ms` for builds and tests (default 10 s).",
  "A result has `exit_code` (128+n: ended by signal n), `output`, `timed_out`, and:",
  "- `denied`: programs that a rule or the user refused, with the reason. Do not try to reach the same end by another way; tell the user, or do without.",
  "- `escalated`: programs that ran outside the sandbox because a rule allows them.",
  "- `confined`: programs that a rule would let out but that had to stay inside, with the reason; the user can change what it names.",
  "- `notes`: what else happened, such as a protected path (.git's configuration, agents' settings) that was put back. `git init` in the workspace's own root is undone so: ask the user to do it.",
  "A command that fails on a path or on the network may be meeting the sandbox: it says so where that is likely.",
].join("\n");
