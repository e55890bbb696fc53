/** U+FFFD, which is what a database would make of half a surrogate pair. */
const mark = '\ufffd';

/**
 * A text that UTF-8 can hold, and that is another one for every other key: halves of surrogate pairs, and the mark
 * itself, become the mark and four hexadecimal digits. What begins with a key begins with its key text.
 */
export function toKeyText(key: string): string {
  return key.replace(/[\ud800-\udfff\ufffd]/gu, (unit) => mark + unit.charCodeAt(0).toString(16));
}

export function fromKeyText(text: string): string {
  return text.replace(/\ufffd([0-9a-f]{4})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/**
 * What the text of every key with this prefix begins with. Others may as well, so look at the keys: a prefix can end
 * within a surrogate pair.
 */
export function toPrefixText(prefix: string): string {
  return toKeyText(prefix.replace(/[\ud800-\udbff]$/, ''));
}
