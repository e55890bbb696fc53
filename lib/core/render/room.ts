/** Whether an entry still fits; if so, it takes its place. */
export type Room = (entry: unknown) => boolean;

/** @param bytes of JSON, UTF-8 */
export function roomOf(bytes: number): Room {
  let left = bytes;
  return (entry) => {
    // And a comma.
    const needed = bytesOf(entry) + 1;
    if (needed > left) return false;
    left -= needed;
    return true;
  };
}

const encoder = new TextEncoder();

export function bytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length;
}

/** Longer names and ids are cut: no receiver needs them, and they would crowd out all else. */
export function shortName(text: string, longest = 512): string {
  return text.length > longest ? `${text.slice(0, longest - 1).toWellFormed()}…` : text;
}
