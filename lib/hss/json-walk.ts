/**
 * Walk JSON in bytes without building it: every function takes a position and returns the position after what it
 * walked, or `more` when the bytes end before it does. The grammar is RFC 8259 to the letter; the text of strings is
 * decoded by whoever wants it.
 */

/** The bytes end inside the value. */
export const more = -1;

/** JSON that no continuation can make valid. `at` is the position in the bytes that were walked. */
export class WalkError extends Error {
  readonly at: number;

  constructor(at: number, what: string) {
    super(what);
    this.at = at;
  }
}

const quote = 0x22;
const backslash = 0x5c;

/** 1 for the bytes that stand for themselves inside a string. */
const plain = new Uint8Array(256).fill(1, 0x20);
plain[quote] = 0;
plain[backslash] = 0;

/** 1 for what may follow a backslash, 2 for `u`. */
const escapes = new Uint8Array(256);
for (const c of '"\\/bfnrt') escapes[c.charCodeAt(0)] = 1;
escapes[0x75] = 2;

const hexDigits = new Uint8Array(256);
for (const c of '0123456789abcdefABCDEF') hexDigits[c.charCodeAt(0)] = 1;

/** @returns the position of the first byte at or after `p` that is no white space; `end` when all is */
export function skipSpace(bytes: Uint8Array, p: number, end: number): number {
  while (p < end) {
    const c = bytes[p] as number;
    if (c > 0x20 || (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09)) return p;
    p++;
  }
  return p;
}

/** @param p after the opening quote @returns after the closing one */
export function skipString(bytes: Uint8Array, p: number, end: number): number {
  for (;;) {
    while (p < end && plain[bytes[p] as number] === 1) p++;
    if (p >= end) return more;
    const c = bytes[p] as number;
    if (c === quote) return p + 1;
    if (c !== backslash)
      throw new WalkError(p, `a control character (0x${c.toString(16).padStart(2, '0')}) in a string`);
    if (p + 1 >= end) return more;
    const kind = escapes[bytes[p + 1] as number];
    if (kind === 0) throw new WalkError(p, 'an escape that JSON does not have');
    p += 2;
    if (kind === 2) {
      for (const stop = p + 4; p < stop; p++) {
        if (p >= end) return more;
        if (hexDigits[bytes[p] as number] === 0) throw new WalkError(p, 'a \\u escape without four hex digits');
      }
    }
  }
}

function isDigit(c: number | undefined): boolean {
  return c !== undefined && c >= 0x30 && c <= 0x39;
}

/** A number ends at the first byte that cannot belong to it, so at the end of the bytes it is `more`. */
function skipNumber(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  const digits = () => {
    const from = p;
    while (p < end && isDigit(bytes[p])) p++;
    if (p < end && p === from) throw new WalkError(p, 'a number without a digit where one belongs');
  };
  if (bytes[p] === 0x2d) p++;
  if (p < end && bytes[p] === 0x30) {
    p++;
    if (p < end && isDigit(bytes[p])) throw new WalkError(p, 'a number with a leading zero');
  } else digits();
  if (p < end && bytes[p] === 0x2e) {
    p++;
    digits();
  }
  if (p < end && (bytes[p] === 0x65 || bytes[p] === 0x45)) {
    p++;
    if (p < end && (bytes[p] === 0x2b || bytes[p] === 0x2d)) p++;
    digits();
  }
  return p < end ? p : more;
}

const literals = new Map([
  ...['true', 'false', 'null'].map((text) => [text.charCodeAt(0), Buffer.from(text)] as const),
]);

function skipLiteral(bytes: Uint8Array, start: number, end: number): number {
  const literal = literals.get(bytes[start] as number);
  if (literal === undefined) throw new WalkError(start, unexpected(bytes[start] as number, 'a value'));
  for (let i = 1; i < literal.length; i++) {
    if (start + i >= end) return more;
    if (bytes[start + i] !== literal[i]) throw new WalkError(start, 'a word that is not true, false or null');
  }
  return start + literal.length;
}

/** "found x where y belongs", for any byte. */
export function unexpected(c: number, wanted: string): string {
  const shown = c > 0x20 && c < 0x7f ? `"${String.fromCharCode(c)}"` : `0x${c.toString(16).padStart(2, '0')}`;
  return `${shown} where ${wanted} belongs`;
}

/**
 * Walk one value of any kind.
 * @param p at its first byte
 * @param depth how many arrays and objects may stand inside one another, itself included
 */
export function skipValue(bytes: Uint8Array, p: number, end: number, depth: number): number {
  if (p >= end) return more;
  const c = bytes[p] as number;
  if (c === quote) return skipString(bytes, p + 1, end);
  if (c === 0x7b || c === 0x5b) return skipContainer(bytes, p, end, depth);
  if (c === 0x2d || isDigit(c)) return skipNumber(bytes, p, end);
  return skipLiteral(bytes, p, end);
}

function skipContainer(bytes: Uint8Array, p: number, end: number, depth: number): number {
  if (depth <= 0) throw new WalkError(p, 'arrays and objects nested too deep');
  const isObject = bytes[p] === 0x7b;
  const close = isObject ? 0x7d : 0x5d;
  p = skipSpace(bytes, p + 1, end);
  if (p >= end) return more;
  if (bytes[p] === close) return p + 1;
  for (;;) {
    if (isObject) {
      p = skipKey(bytes, p, end);
      if (p < 0) return more;
    }
    p = skipValue(bytes, p, end, depth - 1);
    if (p < 0) return more;
    p = skipSpace(bytes, p, end);
    if (p >= end) return more;
    const c = bytes[p] as number;
    if (c === close) return p + 1;
    if (c !== 0x2c) throw new WalkError(p, unexpected(c, isObject ? '"," or "}"' : '"," or "]"'));
    p = skipSpace(bytes, p + 1, end);
    if (p >= end) return more;
  }
}

/** @param p at the opening quote of a key @returns at the first byte of its value */
export function skipKey(bytes: Uint8Array, p: number, end: number): number {
  if (bytes[p] !== quote) throw new WalkError(p, unexpected(bytes[p] as number, 'a key in quotes'));
  p = skipString(bytes, p + 1, end);
  return p < 0 ? more : skipColon(bytes, p, end);
}

/** @param p after a key @returns at the first byte of its value */
export function skipColon(bytes: Uint8Array, p: number, end: number): number {
  p = skipSpace(bytes, p, end);
  if (p >= end) return more;
  if (bytes[p] !== 0x3a) throw new WalkError(p, unexpected(bytes[p] as number, '":"'));
  p = skipSpace(bytes, p + 1, end);
  return p >= end ? more : p;
}
