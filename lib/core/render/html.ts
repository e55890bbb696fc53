import { htmlEntities, htmlText } from './escape.ts';
import { type Phrase, quantity } from './words.ts';

/** Markup that is safe to put into a page. Only this file makes it: what is a plain string becomes text. */
export interface Html {
  readonly html: string;
}

type Part = Html | readonly Part[] | string | number | false | undefined;

/** `` html`<b>${text}</b>` ``: texts are escaped, for between tags and inside quotes; nothing stands for what is absent. */
export function html(markup: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const texts = parts.map((part, i) => textOf(part) + (markup[i + 1] ?? ''));
  return { html: (markup[0] ?? '') + texts.join('') };
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return htmlEntities(part);
  if (typeof part === 'number') return String(part);
  return 'html' in part ? part.html : part.map(textOf).join('');
}

export function joined(parts: readonly Html[], between = ''): Html {
  return { html: parts.map((part) => part.html).join(htmlEntities(between)) };
}

/** A name that somebody gave: of an image, a container, a rule. It can be copied as it is. */
export function nameHtml(text: string, max = 160): Html {
  if (text === '') return html`<span class="none">?</span>`;
  // A long path is best broken where it has parts.
  return { html: `<code>${fittedHtml(text, max).html.replaceAll(/(?<!<)\/(?=.)/g, '/<wbr>')}</code>` };
}

/** What somebody wrote: advice, a description, a reason. */
export function proseHtml(text: string, max = 500): Html {
  return html`<bdi>${fittedHtml(text, max)}</bdi>`;
}

/** A name where no tag may stand: in a title. */
export function plainHtml(text: string, max: number): Html {
  return { html: htmlText(text, max).text };
}

/** Words of ours, with values of others in them. */
export function phraseHtml({ words, values }: Phrase, value: (text: string) => Html): Html {
  return joined(words.map((word, i) => (i === 0 ? html`${word}` : html`${value(values[i - 1] ?? '')}${word}`)));
}

/** Seen as it is but for its end, of which is said how much there was. */
function fittedHtml(text: string, max: number): Html {
  const { text: safe, isCut } = htmlText(text, max);
  const shown: Html = { html: safe };
  if (!isCut) return shown;
  // What a report says is kept up to a length, with such a sign at its end.
  const length = text.endsWith('…') ? `more than ${quantity(text.length - 1)}` : quantity(text.length);
  return html`${shown} <small class="cut">(cut: ${length} characters)</small>`;
}

/** How wide a column is, and how its values stand; `named`: the name of a finding above its fingerprint. */
export type ColumnKind = 'number' | 'short' | 'medium' | 'named' | 'wide';

export interface Column {
  readonly label: string;
  readonly kind: ColumnKind;
  /** What the row is about. */
  readonly isHeader?: boolean;
}

/** A row of a table: as many cells as there are columns. */
export type Cells = readonly Html[];

/**
 * A table that on a narrow screen is one block a row, each value after its label. The roles stand there since a style that
 * lays a table out otherwise takes its meaning from it in some browsers.
 */
export function tableHtml(caption: Html, columns: readonly Column[], rows: readonly Html[]): Html {
  return html`<table role="table">
<caption>${caption}</caption>
<colgroup>${columns.map(({ kind }) => html`<col class="${kind}">`)}</colgroup>
<thead role="rowgroup"><tr role="row">${columns.map(
    ({ label, kind }) =>
      html`<th role="columnheader" scope="col"${kind === 'number' && html` class="number"`}>${label}</th>`,
  )}</tr></thead>
<tbody role="rowgroup">
${rows}</tbody>
</table>
`;
}

export function rowHtml(columns: readonly Column[], cells: Cells): Html {
  const tds = columns.map(({ label, kind, isHeader }, i) => {
    const inner = html`${kind === 'number' && html` class="number"`} data-label="${label}">${cells[i]}`;
    return isHeader ? html`<th role="rowheader" scope="row"${inner}</th>` : html`<td role="cell"${inner}</td>`;
  });
  return html`<tr role="row">${tds}</tr>
`;
}

/** What is there for whoever asks for it; on paper it is unfolded. */
export function foldHtml(summary: string, inside: Html): Html {
  return html`<details><summary>${summary}</summary>
${inside}</details>
`;
}

/** A style sheet of ours, as it is. */
export function styleHtml(css: string): Html {
  return { html: `<style>${css}</style>` };
}
