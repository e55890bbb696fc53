/**
 * Whether a name as a whole matches a pattern in which `*` stands for any text and `?` for one character. Case counts.
 * A name may come from a report, so it takes time by the product of both lengths at most, whatever they are.
 */
export function matchesGlob(pattern: string, name: string): boolean {
  const wanted = [...pattern];
  const given = [...name];
  let at = 0;
  /** The last `*`, and where what follows it was tried. */
  let star = -1;
  let tried = 0;
  for (let i = 0; i < given.length; ) {
    if (wanted[at] === '*') {
      star = at++;
      tried = i;
    } else if (at < wanted.length && (wanted[at] === '?' || wanted[at] === given[i])) {
      at++;
      i++;
    } else if (star >= 0) {
      at = star + 1;
      i = ++tried;
    } else return false;
  }
  while (wanted[at] === '*') at++;
  return at === wanted.length;
}
