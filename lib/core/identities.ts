/** Identities kept of a violation for alert memory. */
export const keptIdentities = 2000;

/**
 * The smallest of the different numbers that are added, whatever their order; what is kept does not grow with how many
 * there are.
 */
export class Identities {
  #numbers: number[] = [];
  #added = 0;
  readonly #keep: number;
  /** Numbers from this one on are not among the smallest. */
  #limit = Number.POSITIVE_INFINITY;

  constructor(keep = keptIdentities) {
    this.#keep = keep;
  }

  add(number: number): void {
    this.#added++;
    if (number >= this.#limit) return;
    this.#numbers.push(number);
    if (this.#numbers.length >= 4 * this.#keep) this.#trim();
  }

  /** All that were added to another one. */
  merge(other: Identities): void {
    const { identities, distinct } = other.result();
    for (const number of identities) this.add(number);
    if (distinct <= identities.length) return;
    // Of what the other one has not kept only the number is known, and that all of it is larger.
    this.#added += distinct - identities.length;
    this.#limit = Math.min(this.#limit, (identities.at(-1) ?? 0) + 1);
    this.#numbers = this.#numbers.filter((number) => number < this.#limit);
  }

  /** @returns `distinct` is how many different ones there are; of more than are kept, how many were added */
  result(): { readonly identities: readonly number[]; readonly distinct: number } {
    this.#trim();
    const isWhole = this.#limit === Number.POSITIVE_INFINITY;
    return { identities: this.#numbers, distinct: isWhole ? this.#numbers.length : this.#added };
  }

  #trim(): void {
    const sorted = [...new Set(this.#numbers)].sort((a, b) => a - b);
    this.#limit = sorted[this.#keep] ?? this.#limit;
    this.#numbers = sorted.slice(0, this.#keep);
  }
}

/** A finding for a baseline: more severe it is another one. Of 48 bits, and 3 for the rank of its severity. */
export function graded(identity: number, rank: number): number {
  return identity * 8 + rank;
}

export function gradedParts(number: number): { readonly identity: number; readonly rank: number } {
  return { identity: Math.floor(number / 8), rank: number % 8 };
}
