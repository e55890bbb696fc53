/** Numbers that look random and depend on a seed alone: the same seed gives the same sequence on every machine. */
export interface Random {
  /** 0 up to, but not including, `limit`. */
  below(limit: number): number;
  /** Both ends included. */
  between(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  /** A copy in another order. */
  shuffle<T>(list: readonly T[]): T[];
  text(alphabet: string, length: number): string;
  hex(length: number): string;
}

const hexDigits = '0123456789abcdef';
const twoHexDigits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function randomOf(seed: string): Random {
  const next = sfc32(seed);

  function below(limit: number): number {
    return Math.floor((next() / 0x1_0000_0000) * limit);
  }
  function pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError('pick from an empty list');
    return list[below(list.length)] as T;
  }
  function hex(length: number): string {
    let text = '';
    while (text.length + 8 <= length) {
      const n = next();
      text += `${twoHexDigits[n >>> 24]}${twoHexDigits[(n >>> 16) & 255]}${twoHexDigits[(n >>> 8) & 255]}`;
      text += twoHexDigits[n & 255];
    }
    while (text.length < length) text += hexDigits[below(16)];
    return text;
  }

  return {
    below,
    pick,
    hex,
    between: (min, max) => min + below(max - min + 1),
    chance: (probability) => next() / 0x1_0000_0000 < probability,
    text: (alphabet, length) => Array.from({ length }, () => alphabet[below(alphabet.length)]).join(''),
    shuffle(list) {
      const shuffled = [...list];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j] as (typeof list)[number], shuffled[i] as (typeof list)[number]];
      }
      return shuffled;
    },
  };
}

/** The "small fast counter" generator; 32 bits a call. */
function sfc32(seed: string): () => number {
  let a = hash(seed, 1);
  let b = hash(seed, 2);
  let c = hash(seed, 3);
  let counter = 1;
  function next(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** FNV-1a. */
function hash(text: string, salt: number): number {
  let h = 0x811c9dc5 ^ salt;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h | 0;
}
