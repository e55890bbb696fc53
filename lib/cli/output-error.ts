/** There is a verdict, and it cannot be told where it was to be told: none to go by, exit code 4. */
export class OutputError extends Error {
  override readonly name = 'OutputError';
}
