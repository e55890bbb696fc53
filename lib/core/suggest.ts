import { closest, distance } from 'fastest-levenshtein';

/** The known word that a mistyped one most likely stands for, or undefined. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const lower = new Map(known.map((k) => [k.toLowerCase(), k]));
  const best = closest(word.toLowerCase(), [...lower.keys()]);
  return distance(word.toLowerCase(), best) <= Math.max(word.length < 4 ? 1 : 2, Math.floor(word.length / 3))
    ? lower.get(best)
    : undefined;
}

/** `; did you mean x?`, or what there is to choose from when nothing is near; empty when there is nothing. */
export function hint(word: string, known: readonly string[]): string {
  if (known.length === 0) return '';
  const near = suggest(word, known);
  return near === undefined ? `; known: ${known.join(', ')}` : `; did you mean ${near}?`;
}
