/**
 * Which environment variables make a program run other code, load other files or find other programs. They never pass from a caller
 * to an escalated child, whatever a rule's author lists (design.md rule 4).
 *
 * A refused name that would be harmless costs a convenience; a missed one costs the sandbox. So whole families are refused. What only
 * says which account, region or repository a program works on (GH_REPO, GH_TOKEN, AWS_PROFILE, DOCKER_DEFAULT_PLATFORM) is for a rule's
 * author to list.
 */

/** Families, by how their names begin. Compared without regard to case: npm reads NPM_CONFIG_X and npm_config_x alike. */
const PREFIXES: readonly string[] = [
  // The dynamic loader: ld.so(8), dyld(1). And libc: mallopt, tunables, gconv and resolver files (environ(7), glibc manual).
  ...["LD_", "DYLD_", "_RLD", "MALLOC_", "GLIBC_", "GCONV_", "RES_"],
  // Shells at their start, and exported functions (BASH_FUNC_x%%): bash(1), zsh(1).
  ...["BASH", "PROMPT_"],
  // git(1) runs a dozen of these as commands, and takes configuration and repository from others.
  ...["GIT_", "SSH_ASKPASS", "SUDO_ASKPASS"],
  // Interpreters, their module paths, and package managers that take their whole configuration from such names.
  ...["PYTHON", "PIP_", "UV_", "VIRTUAL_ENV", "CONDA_", "NODE_", "NPM_CONFIG_", "YARN_", "PNPM_", "BUN_", "DENO_", "TS_NODE", "ELECTRON_"],
  ...["PERL", "RUBY", "GEM_", "BUNDLE_", "LUA_", "PHP", "TCLLIBPATH", "GUILE_", "JAVA_", "_JAVA", "JDK_", "CLASSPATH", "MAVEN_", "GRADLE_"],
  ...[
    "DOTNET_",
    "CORECLR_",
    "COR_",
    "MONO_",
    "CARGO_",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "GOFLAGS",
    "MAKEFLAGS",
    "GNUMAKEFLAGS",
    "MAKEFILES",
  ],
  // Where configuration lies, and what terminal libraries read.
  ...["XDG_", "TERMINFO", "LESS", "OPENSSL_", "DEBUGINFOD_", "VIM", "NVIM_", "EMACS"],
  // Tools that take commands to run, or files that name such, from their family: rsync(1), svn, hg(1), fzf(1), bat(1), gcloud, helm.
  ...["RSYNC_", "SVN_", "HG", "CVS", "FZF_", "BAT_", "CLOUDSDK_", "HELM_", "ANSIBLE_", "CONTAINERS_"],
  // execgate's own.
  ...["EXECGATE_", "CODEX_"],
];

/** Where one tool's configuration lies, which can name programs to run: credential helpers, plugins, preprocessors, aliases. */
const CONFIGURATIONS: readonly string[] = [
  ...["KUBECONFIG", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AZURE_CONFIG_DIR", "AZURE_EXTENSION_DIR", "DOCKER_CONFIG"],
  ...["GH_CONFIG_DIR", "GLAB_CONFIG_DIR", "RIPGREP_CONFIG_PATH", "CURL_HOME", "WGETRC", "GNUPGHOME", "SCREENRC", "TF_CLI_CONFIG_FILE"],
];

/** A program to run, or options that can name one: tar(1) --to-command, man(1) -P, zip(1) -TT; a daemon that runs what it is told. */
const COMMANDS: readonly string[] = [
  ...["TAR_OPTIONS", "TAPE", "RSH", "ZIPOPT", "MANOPT", "MANLESS", "MANROFFOPT", "AWS_PAGER", "GH_PAGER", "GH_EDITOR"],
  ...["GH_BROWSER", "GH_PATH", "GLAB_PAGER", "DELTA_PAGER", "SYSTEMD_PAGER", "SYSTEMD_EDITOR", "KUBE_EDITOR", "EXINIT"],
  ...["DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST", "CONTAINER_CONNECTION"],
];

const NAMES: ReadonlySet<string> = new Set([
  ...["PATH", "HOME", "IFS", "ENV", "SHELL", "SHELLOPTS", "PS0", "PS1", "PS2", "PS3", "PS4", "CDPATH", "GLOBIGNORE", "ZDOTDIR", "FPATH"],
  ...["PAGER", "MANPAGER", "EDITOR", "VISUAL", "FCEDIT", "BROWSER", "TERMCAP", "TZDIR", "LOCPATH", "NLSPATH", "HOSTALIASES", "LOCALDOMAIN"],
  ...["GETCONF_DIR", "PWD", "OLDPWD", "INPUTRC", "EXEC_WRAPPER", "AWKPATH", "AWKLIBPATH", "MANPATH"],
  ...CONFIGURATIONS,
  ...COMMANDS,
]);

/** Whether a variable of this name never passes from a caller to an escalated child. */
export function neverPasses(name: string): boolean {
  const upper = name.toUpperCase();
  return NAMES.has(upper) || PREFIXES.some((prefix) => upper.startsWith(prefix));
}

/** Variables of execgate and of its runtime, that no child ever gets, not even from the server's own environment. */
export function isOurs(name: string): boolean {
  return /^(?:BUN_|EXECGATE_SOCKET$|CODEX_ESCALATE_SOCKET$|EXEC_WRAPPER$|BASH_EXEC_WRAPPER$)/.test(name);
}

/**
 * The variables through which a path would make a program load code; of the server's own environment they pass only where no such
 * path is relative or writable from inside the sandbox.
 */
export function loadsCode(name: string): boolean {
  if (CONFIGURATIONS.includes(name) || COMMANDS.includes(name)) return true;
  return /^(?:LD_|DYLD_|BASH_ENV$|ENV$|PYTHON|PERL|RUBY|GEM_|NODE_|LUA_|PHP|JAVA|_JAVA|JDK_|CLASSPATH$|GIT_|GCONV_PATH$|LOCPATH$|FPATH$|ZDOTDIR$|SSH_ASKPASS$|SUDO_ASKPASS$|R_|TCL|GUILE_|DOTNET_|CORECLR_|PAGER$|EDITOR$|VISUAL$|BROWSER$|SHELL$|LESSOPEN$|LESSCLOSE$|MANPAGER$|OPENSSL_|GO|CARGO|RUST|MAKE|npm_config_|NPM_CONFIG_)/.test(
    name,
  );
}

/** A pattern that `escalate_env` takes: a name, or the beginning of one and a `*`. */
const PATTERN = /^[A-Za-z_][A-Za-z0-9_]*\*?$/;

/** What is wrong with a pattern of `escalate_env`; `undefined` where nothing is. */
export function escalateEnvFault(pattern: string): string | undefined {
  if (!PATTERN.test(pattern)) return `escalate_env takes names like FOO and patterns like FOO_*, not ${pattern}`;
  const stem = pattern.replace(/\*$/, "");
  if (stem !== pattern && stem.length < 3) return `escalate_env: ${pattern} is too wide; at least three characters before the *`;
  if (neverPasses(stem)) {
    return `escalate_env: ${pattern} never passes: loader, shell, interpreter, git and lookup variables would let the sandbox choose what an escalated command runs`;
  }
  return undefined;
}

/** Whether one of `patterns` names `name`, and it may pass at all. */
export function isListed(name: string, patterns: readonly string[]): boolean {
  if (neverPasses(name)) return false;
  return patterns.some((pattern) => (pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
}
