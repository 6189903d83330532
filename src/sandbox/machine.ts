/** What this machine can do for a sandbox, as facts. machine-probe.ts finds them out; tests switch them off. */

/** A program that starts another in new namespaces, with capabilities over them. */
export interface NamespaceTool {
  readonly tool: "unshare" | "bwrap";
  /** Absolute path. */
  readonly path: string;
  readonly mount: boolean;
  readonly network: boolean;
  /** A process namespace, and a /proc that shows it alone. */
  readonly pid: boolean;
}

export interface Machine {
  readonly os: "linux" | "macos" | "other";
  /** The user: 0 is root. */
  readonly uid: number;
  /** Root with the right to make namespaces without a user namespace (CAP_SYS_ADMIN): in containers root often is without it. */
  readonly privileged: boolean;
  /** The Landlock ABI, 0 for none. */
  readonly landlock: number;
  /** undefined where no namespaces can be had; `namespacesMissing` then says why. */
  readonly namespaces: NamespaceTool | undefined;
  readonly namespacesMissing: string | undefined;
  /** Path of bubblewrap, where it is installed. */
  readonly bubblewrap: string | undefined;
  /** A cgroup v2 folder in which this user may make groups and kill them whole. */
  readonly cgroupKill: string | undefined;
  /** The kernel tells which file an AF_UNIX socket is bound to (ffi/unix-diag.ts). */
  readonly socketDiagnosis: boolean;
  /** PR_SET_CHILD_SUBREAPER. */
  readonly subreaper: boolean;
}
