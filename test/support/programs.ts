/** Programs that some tests need and a machine need not have. Node, npm, gcc, make, Perl, and what every Debian has, are taken for granted. */

/** Where the tests' own commands look. */
const PATH = "/usr/local/bin:/usr/bin:/bin";

/** Whether it is there; where it is not, says so: for `test.skipIf`. */
export function hasProgram(name: string): boolean {
  if (Bun.which(name, { PATH }) !== null) return true;
  process.stderr.write(`not tried with ${name}: it is not installed\n`);
  return false;
}
