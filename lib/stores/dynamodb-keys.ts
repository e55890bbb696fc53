import { createHash } from 'node:crypto';
import { toKeyText, toPrefixText } from './key-text.ts';

/** Of a sort key; a key of 512 characters can have more. */
const maxBytes = 1024;
/** A mark that no key text holds, since what follows is no digit; then SHA-256 in hexadecimal. */
const markOf = (text: string) => `\ufffd#${createHash('sha256').update(text).digest('hex')}`;
const cutBytes = maxBytes - Buffer.byteLength(markOf(''));

/** A key's text within the limit: a long one is cut, and told from others by its hash. */
export function sortKey(key: string): { readonly sortKey: string; readonly isCut: boolean } {
  const text = toKeyText(key);
  const isCut = Buffer.byteLength(text) > maxBytes;
  return { sortKey: isCut ? cut(text) + markOf(text) : text, isCut };
}

/** What the sort key of every key with this prefix begins with; others may as well. */
export function sortKeyPrefix(prefix: string): string {
  return cut(toPrefixText(prefix));
}

/** At most `cutBytes` of UTF-8, whole characters. */
function cut(text: string): string {
  const bytes = Buffer.from(text);
  let end = Math.min(cutBytes, bytes.length);
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
