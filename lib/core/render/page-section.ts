import { type Column, type Html, html, tableHtml } from './html.ts';
import { isoTime, minuteOf, plural } from './words.ts';

/** A list with its heading; what is beyond `most` is counted. Without items there is nothing. */
export function listSection<T>(
  id: string,
  title: string,
  items: readonly T[],
  most: number,
  item: (one: T) => Html,
  more: string,
): Html {
  if (items.length === 0) return html``;
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
<ul>
${items.slice(0, most).map((one) => html`<li>${item(one)}</li>\n`)}</ul>
${items.length > most && moreHtml(`and ${plural(items.length - most, more)}`)}</section>
`;
}

/** A table with its heading. @param of rows there are, those that are not shown included */
export function tableSection(
  id: string,
  title: string,
  caption: Html,
  columns: readonly Column[],
  rows: readonly Html[],
  of: number,
  more: string,
): Html {
  return html`<section aria-labelledby="${id}">
<h2 id="${id}">${title}</h2>
${tableHtml(caption, columns, rows)}${of > rows.length && moreHtml(`and ${plural(of - rows.length, more)}`)}</section>
`;
}

export function moreHtml(text: string): Html {
  return html`<p class="more">${text}</p>\n`;
}

export function timeHtml(ms: number): Html {
  const iso = isoTime(ms);
  return iso === null ? html`an unknown time` : html`<time datetime="${iso}">${minuteOf(ms)}</time>`;
}
