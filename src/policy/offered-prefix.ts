/**
 * What "for this session" and "always" would cover, for a command that a human is asked about.
 *
 * Guarantees: never a bare interpreter, shell, `git`, `env`, `sudo`, `xargs` or another program that runs what its arguments say: of
 * those the whole command, and where there is nothing but the program, no offer at all.
 */
import { baseName } from "./paths.ts";

/** Programs whose arguments say what runs, or whose subcommands are worlds apart. A version at the end does not count. */
const RUNNERS: ReadonlySet<string> = new Set([
  // shells
  ...[
    "sh",
    "bash",
    "zsh",
    "dash",
    "ash",
    "ksh",
    "mksh",
    "fish",
    "csh",
    "tcsh",
    "rbash",
    "pwsh",
    "nu",
    "xonsh",
    "elvish",
    "busybox",
    "toybox",
    "sash",
  ],
  // interpreters
  ...[
    "python",
    "pypy",
    "perl",
    "ruby",
    "node",
    "nodejs",
    "bun",
    "deno",
    "php",
    "lua",
    "luajit",
    "tclsh",
    "wish",
    "expect",
    "guile",
    "racket",
    "java",
    "jshell",
    "groovy",
  ],
  ...[
    "scala",
    "kotlin",
    "julia",
    "r",
    "rscript",
    "ghci",
    "runghc",
    "ocaml",
    "elixir",
    "iex",
    "erl",
    "swift",
    "osascript",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "sed",
    "jq",
    "dotnet",
    "go",
    "cargo",
    "irb",
    "ipython",
  ],
  // programs that start programs
  ...[
    "env",
    "sudo",
    "doas",
    "su",
    "runuser",
    "pkexec",
    "run0",
    "xargs",
    "parallel",
    "find",
    "fd",
    "nice",
    "ionice",
    "nohup",
    "setsid",
    "timeout",
    "time",
    "stdbuf",
    "script",
    "flock",
    "watch",
    "entr",
    "chroot",
    "unshare",
  ],
  ...[
    "nsenter",
    "bwrap",
    "firejail",
    "systemd-run",
    "setpriv",
    "capsh",
    "taskset",
    "chrt",
    "strace",
    "ltrace",
    "gdb",
    "lldb",
    "valgrind",
    "perf",
    "rlwrap",
    "tmux",
    "screen",
    "dtach",
    "at",
    "batch",
    "crontab",
    "start-stop-daemon",
  ],
  ...[
    "exec",
    "command",
    "eval",
    "source",
    "ld.so",
    "ld-linux-x86-64.so",
    "ld-linux.so",
    "linux32",
    "linux64",
    "setarch",
    "prlimit",
    "cgexec",
    "unbuffer",
    "socat",
    "nc",
    "ncat",
    "netcat",
  ],
  // build tools and package runners
  ...[
    "make",
    "gmake",
    "ninja",
    "cmake",
    "just",
    "task",
    "rake",
    "ant",
    "mvn",
    "gradle",
    "npx",
    "bunx",
    "pnpx",
    "pipx",
    "uv",
    "uvx",
    "npm",
    "pnpm",
    "yarn",
    "nix",
    "nix-shell",
    "direnv",
    "mise",
    "asdf",
  ],
  // package managers: what they install runs
  ...["pip", "poetry", "pdm", "hatch", "conda", "mamba", "micromamba", "pixi", "gem", "bundle", "bundler", "composer", "cabal", "stack"],
  ...["opam", "luarocks", "cpan", "cpanm", "mix", "nix-env", "apt", "apt-get", "aptitude", "dnf", "yum", "zypper", "pacman", "apk"],
  ...["brew", "port", "snap", "flatpak", "rpm", "dpkg"],
  // other machines, containers, editors, version control, archivers with hooks
  ...[
    "ssh",
    "scp",
    "sftp",
    "rsync",
    "mosh",
    "docker",
    "podman",
    "nerdctl",
    "kubectl",
    "helm",
    "lxc",
    "machinectl",
    "vagrant",
    "ansible",
    "terraform",
    "git",
    "hg",
    "svn",
    "jj",
    "tar",
    "zip",
    "vi",
    "vim",
    "nvim",
    "emacs",
    "ed",
    "ex",
    "nano",
    "less",
    "more",
    "man",
    "curl",
    "wget",
  ],
]);

/** The longest that is remembered, in tokens and in characters. */
const MAX_TOKENS = 64;
const MAX_LENGTH = 4096;

function isRunner(path: string): boolean {
  const name = (baseName(path) ?? "").toLowerCase();
  return RUNNERS.has(name) || RUNNERS.has(name.replace(/[-.]?[0-9][0-9.]*$/, ""));
}

/** What an approval for longer than once is bound to. */
export interface Binding {
  /** Program path, and arguments. */
  readonly tokens: readonly string[];
  /** True: the whole command and no longer one. */
  readonly exact: boolean;
}

/**
 * @param program the full path that is shown. @param realPath the file behind it. @param matched how many tokens of the command the
 * rule's pattern covered.
 */
export function sessionBinding(program: string, realPath: string, args: readonly string[], matched: number): Binding {
  const whole: Binding = { tokens: [program, ...args], exact: true };
  if (isRunner(program) || isRunner(realPath)) return whole;
  if (matched > 1) return { tokens: [program, ...args.slice(0, matched - 1)], exact: false };
  const [first] = args;
  if (first === undefined) return whole;
  // `gh pr …`: the subcommand is what the human decides about. An option or a path first: no telling, so the whole.
  return /^[a-z][a-z0-9-]*$/.test(first) ? { tokens: [program, first], exact: false } : whole;
}

/** Whether "always" may be offered for this binding: it can be written down, and is no runner with nothing to run. */
export function canBeRemembered({ tokens }: Binding, realPath: string): boolean {
  const [program = ""] = tokens;
  if (tokens.length === 1 && (isRunner(program) || isRunner(realPath))) return false;
  if (tokens.length > MAX_TOKENS || tokens.join(" ").length > MAX_LENGTH) return false;
  // What is written is UTF-8 text: a token that is not cannot be written there.
  return !tokens.some((token) => /[\p{Cs}\0]/u.test(token));
}

/** Whether a command (program path and arguments) is covered by a binding. */
export function isCovered(tokens: readonly string[], binding: Binding): boolean {
  if (binding.exact ? tokens.length !== binding.tokens.length : tokens.length < binding.tokens.length) return false;
  return binding.tokens.every((token, i) => token === tokens[i]);
}
