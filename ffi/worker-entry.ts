/**
 * Where a worker's entry file is. Inside the built executable every entry lies under the root by its path in the project, compiled to
 * .js, whatever chunk asks for it (scripts/build.ts passes `--root .`); from source it is the file itself.
 */
export function workerEntry(pathInProject: `${string}-worker`): string {
  const built = import.meta.url.includes("$bunfs");
  return new URL(built ? `./${pathInProject}.js` : `../${pathInProject}.ts`, import.meta.url).href;
}
