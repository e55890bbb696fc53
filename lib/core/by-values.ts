import type { Finding } from './report.ts';

export type Value = Finding[string];

interface Entry {
  readonly values: readonly Value[];
}

type Level<E> = Map<Value, Level<E> | E>;

/**
 * Entries by several values each. They are looked up value by value: putting a key together for every finding would take
 * longer than all else.
 */
export class ByValues<E extends Entry> {
  readonly entries: E[] = [];
  /** Undefined: they are few. */
  #root: Level<E> | undefined;

  /** @param pick the value of a place */
  find(pick: (i: number) => Value): E | undefined {
    return this.#root === undefined ? this.entries.find((entry) => isOf(entry, pick, 0)) : descend(this.#root, pick);
  }

  /** One that is not there yet, and has as many values as all others. */
  add(entry: E): void {
    this.entries.push(entry);
    if (this.#root !== undefined) place(this.#root, entry);
    else if (this.entries.length > searched) {
      this.#root = new Map();
      for (const one of this.entries) place(this.#root, one);
    }
  }

  clear(): void {
    this.entries.length = 0;
    this.#root = undefined;
  }
}

/** Beyond so many they are looked up in a Map: a rule by group has thousands of sets of a few. */
const searched = 8;

function descend<E extends Entry>(root: Level<E>, pick: (i: number) => Value): E | undefined {
  let level = root;
  for (let i = 0; ; i++) {
    const next = level.get(pick(i));
    if (!(next instanceof Map)) return next !== undefined && isOf(next, pick, i + 1) ? next : undefined;
    level = next;
  }
}

/** Only those that share a value are told apart by the next one: a Map for each would take most of the memory. */
function place<E extends Entry>(root: Level<E>, entry: E): void {
  let level = root;
  for (let i = 0; ; i++) {
    const value = entry.values[i];
    const next = level.get(value);
    if (next === undefined) {
      level.set(value, entry);
      return;
    }
    const parted: Level<E> = next instanceof Map ? next : new Map([[next.values[i + 1], next]]);
    level.set(value, parted);
    level = parted;
  }
}

/** Whether it has these values, from a place on. */
function isOf({ values }: Entry, pick: (i: number) => Value, from: number): boolean {
  let i = values.length - 1;
  while (i >= from && values[i] === pick(i)) i--;
  return i < from;
}
