/**
 * The `limit` first of everything that is added, by an order that is total over what differs: the result does not
 * depend on the order in which things come.
 */
export class Worst<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  readonly #compare: (a: T, b: T) => number;

  constructor(limit: number, compare: (a: T, b: T) => number) {
    this.#limit = limit;
    this.#compare = compare;
  }

  /** @param copy called only when the item is kept */
  add(item: T, copy: (item: T) => T): void {
    const items = this.#items;
    if (items.length >= this.#limit && this.#compare(item, items[items.length - 1] as T) >= 0) return;
    let low = 0;
    let high = items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(items[middle] as T, item) <= 0) low = middle + 1;
      else high = middle;
    }
    items.splice(low, 0, copy(item));
    if (items.length > this.#limit) items.pop();
  }

  get items(): readonly T[] {
    return this.#items;
  }
}
