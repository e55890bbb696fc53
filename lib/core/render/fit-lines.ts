/**
 * The first lines that fit, and a last one that counts the rest.
 *
 * @param total all there are to tell of, at least `items.length`
 * @param max characters of the result; at least as long as a counting line
 * @param rest the counting line for `left` things after `shown` items
 */
export function fitLines<T>(
  items: readonly T[],
  total: number,
  max: number,
  line: (item: T) => string,
  rest: (left: number, shown: number) => string,
): { readonly lines: readonly string[]; readonly shown: number } {
  const lines: string[] = [];
  let used = 0;
  for (const item of items) {
    const next = line(item);
    const left = total - lines.length - 1;
    const reserve = left > 0 ? rest(left, lines.length + 1).length + 1 : 0;
    if (used + next.length + 1 + reserve > max + 1) break;
    lines.push(next);
    used += next.length + 1;
  }
  const shown = lines.length;
  if (shown < total) lines.push(rest(total - shown, shown));
  return { lines, shown };
}
