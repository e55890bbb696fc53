import type { Evaluation, Reason, Remedy, WayToGreen } from '../evaluation.ts';
import { foldHtml, type Html, html, joined, nameHtml, phraseHtml, proseHtml } from './html.ts';
import { listSection, moreHtml } from './page-section.ts';
import { remedyPhrase } from './remedy-words.ts';
import { capital, doubtTitle, plural, quantity } from './words.ts';

/** Shown of each list; what is left out is counted. */
const shown = { reasons: 50, rules: 10, steps: 50, stepsAtOnce: 5, notes: 50 };

/** Why it is not known whether all is well. */
export function reasonsHtml({ reasons, verdict }: Evaluation): Html {
  return listSection('reasons', doubtTitle(verdict), reasons, shown.reasons, reasonHtml, 'more reason');
}

function reasonHtml({ kind, message, rules }: Reason): Html {
  const named = rules?.slice(0, shown.rules).map((id) => nameHtml(id, 100)) ?? [];
  const more = (rules?.length ?? 0) - named.length;
  return html`<strong>${kind}</strong>: ${proseHtml(message)}${named.length > 0 && html` <small>${joined(named, ', ')}${more > 0 && ` and ${quantity(more)} more`}</small>`}`;
}

/** What to do first. */
export function wayHtml(way: WayToGreen | undefined): Html {
  if (way === undefined || way.steps.length === 0) return html``;
  const { omitted, of } = way;
  const steps = way.steps.slice(0, shown.steps);
  const folded = steps.slice(shown.stepsAtOnce);
  const left = way.steps.length - steps.length + omitted;
  const list = (some: readonly Remedy[], from: number) =>
    html`<ol start="${from}">\n${some.map((step) => stepHtml(step, of))}</ol>\n`;
  return html`<section aria-labelledby="way">
<h2 id="way">Way to green: ${plural(way.steps.length + omitted, 'step')}</h2>
${list(steps.slice(0, shown.stepsAtOnce), 1)}${
  folded.length > 0 && foldHtml(`Show ${plural(folded.length, 'more step')}`, list(folded, shown.stepsAtOnce + 1))
}${left > 0 && moreHtml(`and ${plural(left, 'more step')}`)}</section>
`;
}

function stepHtml(step: Remedy, of: number): Html {
  const { words, values } = remedyPhrase(step, of);
  const phrase = { words: [capital(words[0] ?? ''), ...words.slice(1)], values };
  return html`<li>${phraseHtml(phrase, nameHtml)}${step.advice && html` <small>fix: ${proseHtml(step.advice, 300)}</small>`}</li>
`;
}

export function notesHtml({ notes }: Evaluation): Html {
  return listSection('notes', 'Notes', notes, shown.notes, ({ message }) => proseHtml(message), 'more note');
}
