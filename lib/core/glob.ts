/** Whether a name matches a pattern in which `*` stands for any text and `?` for one character. Case counts. */
export function matchesGlob(pattern: string, name: string): boolean {
  const source = pattern.replaceAll(/[*?]|[^\w-]/gu, (c) =>
    c === '*' ? '.*' : c === '?' ? '.' : `\\u{${c.codePointAt(0)?.toString(16)}}`,
  );
  return new RegExp(`^${source}$`, 'su').test(name);
}
