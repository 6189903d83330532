/** A mistake in how the program was called: one line for the person, exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
