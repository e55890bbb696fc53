/** Identities kept of a violation for alert memory. */
export const keptIdentities = 2000;

/**
 * The smallest of the different numbers that are added, whatever their order; what is kept does not grow with how many
 * there are.
 */
export class Identities {
  #numbers: number[] = [];
  #added = 0;
  /** Numbers from this one on are not among the smallest. */
  #limit = Number.POSITIVE_INFINITY;

  add(number: number): void {
    this.#added++;
    if (number >= this.#limit) return;
    this.#numbers.push(number);
    if (this.#numbers.length >= 4 * keptIdentities) this.#trim();
  }

  /** @returns `distinct` is how many different ones there are; of more than are kept, how many were added */
  result(): { readonly identities: readonly number[]; readonly distinct: number } {
    this.#trim();
    const isWhole = this.#limit === Number.POSITIVE_INFINITY;
    return { identities: this.#numbers, distinct: isWhole ? this.#numbers.length : this.#added };
  }

  #trim(): void {
    const sorted = [...new Set(this.#numbers)].sort((a, b) => a - b);
    this.#limit = sorted[keptIdentities] ?? this.#limit;
    this.#numbers = sorted.slice(0, keptIdentities);
  }
}
