/**
 * A key that an object has twice, of which a parser would take the last.
 * @param json valid JSON
 */
export function keyTwice(json: string): string | undefined {
  const objects: Set<string>[] = [];
  for (const [sign, text, colon] of json.matchAll(/("[^"\\]*(?:\\.[^"\\]*)*")\s*(:?)|[[\]{}]/g)) {
    if (text === undefined) {
      // Lists are levels too, without keys.
      if (sign === '{' || sign === '[') objects.push(new Set());
      else objects.pop();
    } else if (colon === ':') {
      const seen = objects.at(-1);
      const key = text.includes('\\') ? (JSON.parse(text) as string) : text.slice(1, -1);
      if (seen?.has(key)) return key;
      seen?.add(key);
    }
  }
  return undefined;
}
