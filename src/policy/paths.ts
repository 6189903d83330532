/**
 * Paths as text: no file is looked at.
 */

/** The last component, or `undefined` for `/`, `.`, `..` and the like. */
export function baseName(path: string): string | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1);
  return name === "" || name === "." || name === ".." ? undefined : name;
}

/**
 * An absolute path without empty, `.` and `..` components, as text: `..` goes up whatever the component before it is. Only for paths
 * that a person wrote and for `policy check`, never for what a process named (there, links decide: trace-path.ts).
 */
export function normalizePath(path: string): string {
  if (path.startsWith("/") && !path.includes("//") && !path.includes("/.") && !path.endsWith("/")) return path;
  const kept: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") kept.pop();
    else kept.push(part);
  }
  return `/${kept.join("/")}`;
}

/**
 * What a process named in `folder`, absolute, without the slashes and dots that mean nothing. `..` stays: whether `link/..` leads back
 * is for the kernel to say.
 */
export function absolutePath(folder: string, path: string): string {
  const whole = path.startsWith("/") ? path : `${folder}/${path}`;
  return whole.includes("//") || whole.includes("/./") ? whole.replace(/\/(?:\.?\/)+/g, "/") : whole;
}

/** `~` and `~/…` made absolute, as in Codex; other paths as they are. */
export function expandHome(path: string, home: string | undefined): string {
  if (home === undefined || !home.startsWith("/")) return path;
  return path === "~" || path.startsWith("~/") ? home + path.slice(1) : path;
}

/** Whether `path` is `folder` or lies under it; both absolute and normalized. */
export function isUnder(path: string, folder: string): boolean {
  return path === folder || folder === "/" || (path.startsWith(folder) && path[folder.length] === "/");
}
