/** How a receiver that takes nothing is named in news about ourselves. */
export function receiverName(receiver: string): string {
  return `receiver ${receiver}`;
}

/** How it is named of whose messages some were given up. */
export function givenUpName(receiver: string): string {
  return `messages given up of ${receiver}`;
}

/** Whether a receiver is told news about ourselves of that name: past all routes, but not that it takes nothing itself. */
export function hearsOfOurselves(receiver: string, name: string): boolean {
  return name !== receiverName(receiver);
}
