// How Bash is compiled, and the key under which the result is cached: everything that goes into the binary goes into the key.
//
// Linux: static, so that it starts fast (no dynamic linking) and runs whatever the sandbox hides. What that costs with glibc: `~user`,
// /dev/tcp host names and the like know local users, /etc/hosts and DNS only (the patch pins NSS to what is linked in, since a static
// glibc would else load modules of a possibly different glibc); `enable -f` cannot load builtins; only UTF-8 and single-byte C charsets.
// macOS: Apple has no static libc, so the build there is dynamic. It has not been tried.

import { statSync } from "node:fs";
import { debian, gnu, version } from "./source.ts";

/** Raise when the steps of build.ts change. */
const scriptVersion = 1;

export interface Recipe {
  readonly configure: readonly string[];
  /** Environment of configure. */
  readonly env: Readonly<Record<string, string>>;
}

export function recipe(cc: string, platform: NodeJS.Platform): Recipe {
  const linux = platform === "linux";
  // K&R C: gnu17, because newer compilers default to C23, which refuses it; and GCC 14 made errors of two of these warnings.
  const compiler = `${cc} -std=gnu17 -Wno-implicit-function-declaration -Wno-implicit-int -w`;
  const small = "-Os -fstack-protector-strong -ffunction-sections -fdata-sections";
  return {
    // readline stays: without it there is no compgen, which scripts use. NLS only translates messages.
    configure: ["--disable-nls", "--without-bash-malloc", ...(linux ? ["--enable-static-link"] : [])],
    env: {
      CC: compiler,
      CFLAGS: small,
      ...(linux ? { CPPFLAGS: "-DEXECGATE_STATIC", LDFLAGS: "-s -Wl,--gc-sections" } : {}),
      bash_cv_termcap_lib: "gnutermcap", // Bash's own copy, whether or not this machine has ncurses
    },
  };
}

/** The hash that names a build. Costs two starts of the compiler. */
export function cacheKey(cc: string, patch: string): string {
  const platform = process.platform;
  const compiler = output([cc, "--version"]) + output([cc, "-dumpmachine"]);
  const libc = platform === "linux" ? stamp(output([cc, "-print-file-name=libc.a"]).trim()) : "";
  const parts = [scriptVersion, version, debian.sha256, gnu.sha256, patch, recipe(cc, platform), platform, process.arch, compiler, libc];
  return new Bun.CryptoHasher("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

function output(argv: string[]): string {
  return Bun.spawnSync(argv, { stderr: "ignore", timeout: 10_000 }).stdout.toString();
}

/** A C library that was updated is another C library. */
function stamp(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${path} ${stat.size} ${stat.mtimeMs}`;
}
