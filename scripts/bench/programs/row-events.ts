import type { Tally } from './tally.ts';

type Container = Record<string, unknown> | unknown[];

/**
 * Events of a streaming parser to rows, each judged and dropped. Only rows of the lists that a rule asks for are built,
 * which is the least a program over such a parser has to do.
 */
export class RowEvents {
  readonly #tally: Tally;
  readonly #judges: Readonly<Record<string, ((row: never, found: Tally['found']) => void) | undefined>>;
  readonly #head: Readonly<Record<string, ((value: unknown, found: Tally['found']) => void) | undefined>>;
  /** The row at hand and what is open inside it. */
  readonly #open: Container[] = [];
  #judge: ((row: never, found: Tally['found']) => void) | undefined;
  #depth = 0;
  #key = '';

  constructor(tally: Tally) {
    this.#tally = tally;
    this.#judges = tally.judges;
    this.#head = tally.head;
  }

  key(key: string): void {
    this.#key = key;
  }

  value(value: unknown): void {
    if (this.#open.length > 0) this.#attach(value);
    else if (this.#depth === 1) this.#head[this.#key]?.(value, this.#tally.found);
  }

  startObject(): void {
    this.#start(true);
  }

  startArray(): void {
    if (this.#depth === 1) this.#judge = this.#judges[this.#key];
    this.#start(false);
  }

  /** Of an object or an array. */
  end(): void {
    this.#depth--;
    const closed = this.#open.pop();
    if (closed !== undefined && this.#open.length === 0) this.#judge?.(closed as never, this.#tally.found);
    if (this.#depth === 1) this.#judge = undefined;
  }

  #start(isObject: boolean): void {
    this.#depth++;
    if (this.#judge === undefined || this.#depth < 3) return;
    const container: Container = isObject ? {} : [];
    if (this.#open.length > 0) this.#attach(container);
    this.#open.push(container);
  }

  #attach(value: unknown): void {
    const parent = this.#open[this.#open.length - 1];
    if (Array.isArray(parent)) parent.push(value);
    else if (parent !== undefined) parent[this.#key] = value;
  }
}
