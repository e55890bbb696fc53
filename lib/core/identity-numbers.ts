import { ByValues, type Value } from './by-values.ts';
import { identityNumber, lasting } from './fingerprint.ts';
import type { Finding, FindingKind } from './report.ts';

interface Known {
  readonly values: readonly Value[];
  readonly number: number;
}

/** Of so many findings the numbers are kept, if their texts are no longer than this: a report must not make memory grow. */
const kept = 4000;
const longest = 300;

/**
 * `identityNumber` of the findings of a kind. Most of it is SHA-256, so what is the same for another rule, or in another
 * version of an image, is not hashed again; where next to nothing is, nothing is kept.
 */
export class IdentityNumbers {
  readonly #kind: FindingKind;
  /** What the identity is made of, as the report has it. */
  readonly #fields: readonly string[];
  readonly #known = new ByValues<Known>();
  #hits = 0;
  #isOfUse = true;

  constructor(kind: FindingKind) {
    this.#kind = kind;
    this.#fields = lasting[kind].map((field) => (field === 'workload' ? 'pod' : field));
  }

  of(finding: Finding): number {
    if (!this.#isOfUse) return identityNumber(this.#kind, finding);
    const known = this.#known.find((i) => finding[this.#fields[i] as string]);
    if (known !== undefined) {
      this.#hits++;
      return known.number;
    }
    const number = identityNumber(this.#kind, finding);
    const values = this.#fields.map((field) => finding[field]);
    if (values.every((value) => typeof value !== 'string' || value.length <= longest))
      this.#known.add({ values, number });
    if (this.#known.entries.length === kept) {
      this.#isOfUse = this.#hits >= kept / 2;
      this.#hits = 0;
      this.#known.clear();
    }
    return number;
  }
}
