/** A regular expression that is none, or one that cannot be compiled. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

export interface Pattern {
  /** Whether it matches anywhere in the text, in time linear in its length. */
  test(text: string): boolean;
}

let compile: ((pattern: string) => Pattern) | undefined;
const known = new Map<string, Pattern>();

/**
 * Load what `matches` in the conditions of a text needs, when it has one: 150 kB that a start without it does not pay for.
 * To be awaited before the text is parsed.
 */
export async function preparePatterns(text: string): Promise<void> {
  if (compile !== undefined || !/\bmatches\s*\(/.test(text)) return;
  const { RE2JS } = await import('re2js');
  compile = (pattern) => {
    const compiled = RE2JS.compile(pattern);
    return { test: (one) => compiled.matcher(one).find() };
  };
}

/** @param pattern in the syntax of RE2 @throws {PatternError} it is none */
export function compilePattern(pattern: string): Pattern {
  const before = known.get(pattern);
  if (before !== undefined) return before;
  if (compile === undefined) throw new Error('a pattern was not prepared for');
  let compiled: Pattern;
  try {
    compiled = compile(pattern);
  } catch (error) {
    throw new PatternError((error as Error).message);
  }
  // Patterns that are made of fields could be any number.
  if (known.size < 1000) known.set(pattern, compiled);
  return compiled;
}
