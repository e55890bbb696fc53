import { type Column, foldHtml, type Html, html, tableHtml } from './html.ts';
import type { Room } from './room.ts';
import { plural } from './words.ts';

/** Rows in sight; the others are folded. */
const atOnce = 10;

/** Things in a table, as many as there is room for. */
export class Listing<T> {
  readonly rows: Html[] = [];
  readonly #items: readonly T[];
  readonly #columns: readonly Column[];
  readonly #row: (item: T) => Html;

  constructor(items: readonly T[], columns: readonly Column[], row: (item: T) => Html) {
    this.#items = items;
    this.#columns = columns;
    this.#row = row;
  }

  /** Until it shows so many, or there is no room. */
  grow(upTo: number, room: Room): void {
    for (const item of this.#items.slice(this.rows.length, upTo)) {
      if (this.rows.length === atOnce && !room(this.#folded([]).html)) return;
      const row = this.#row(item);
      if (!room(row.html)) return;
      this.rows.push(row);
    }
  }

  html(caption: string): Html {
    if (this.#items.length === 0) return html``;
    const folded = this.rows.slice(atOnce);
    return html`${tableHtml(html`${caption}`, this.#columns, this.rows.slice(0, atOnce))}${folded.length > 0 && this.#folded(folded)}`;
  }

  #folded(rows: readonly Html[]): Html {
    const more = plural(rows.length, 'more row');
    return foldHtml(`Show ${more}`, tableHtml(html`${more}`, this.#columns, rows));
  }
}
