import { formatDuration } from '../duration.ts';
import type { Evaluation, Reason, Remedy, WaiverResult, WayToGreen } from '../evaluation.ts';
import { type ListName, listNames } from '../report.ts';
import { version } from '../version.ts';
import {
  type Column,
  foldHtml,
  type Html,
  html,
  joined,
  nameHtml,
  phraseHtml,
  plainHtml,
  proseHtml,
  rowHtml,
  styleHtml,
  tableHtml,
} from './html.ts';
import { rulesHtml } from './page-rules.ts';
import { signHtml } from './page-signs.ts';
import { contentPolicy, style } from './page-style.ts';
import type { FileOptions } from './policy-file.ts';
import { remedyPhrase } from './remedy-words.ts';
import { needsAttention, waiverPhrase } from './waiver-words.ts';
import {
  capital,
  clusterOf,
  doubtTitle,
  isoTime,
  letThrough,
  minuteOf,
  plural,
  quantity,
  reportAge,
  storedAnswer,
  summaryOf,
} from './words.ts';

/**
 * Shown of each list; what is left out is counted. With them, with the limits of each text and with the room of the rules
 * (`page-rules.ts`), a page stays below 4 MiB.
 */
const shown = { reasons: 50, reasonRules: 20, steps: 50, stepsAtOnce: 5, compared: 500, waivers: 200, notes: 50 };

/**
 * The result as a page for people, in one file: no script, and nothing to be loaded. The same result gives the same bytes.
 *
 * What others wrote is shown as text, of a bounded length; where it is cut, it says so.
 */
export function renderPage(evaluation: Evaluation, options: FileOptions = {}): string {
  const title = `${evaluation.verdict.toUpperCase()}: `;
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${contentPolicy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex, nofollow">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>${title}${plainHtml(clusterOf(evaluation), 80)} by policy ${plainHtml(policyName(evaluation), 80)}</title>
${styleHtml(style)}
</head>
<body>
${headHtml(evaluation)}<main>
${factsHtml(evaluation)}${reasonsHtml(evaluation)}${wayHtml(evaluation.wayToGreen)}${rulesHtml(evaluation, options)}${comparisonHtml(evaluation)}${waiversHtml(evaluation.waivers)}${notesHtml(evaluation)}${countsHtml(evaluation)}</main>
<footer>
<p>Made by portcullis ${version} of the result as of ${timeHtml(evaluation.evaluatedAtMs)}. What others wrote is shown as text; where it is cut, its length stands beside it.</p>
</footer>
</body>
</html>
`.html;
}

/** The verdict, in words and by its sign, and what must not be overlooked beside it. */
function headHtml(evaluation: Evaluation): Html {
  const { verdict, report, stored, isLetThrough } = evaluation;
  const ageMs = report.ageSeconds === undefined ? undefined : report.ageSeconds * 1000;
  return html`<header>
<div class="verdict ${verdict}">${signHtml(verdict)}
<div>
<h1>${verdict.toUpperCase()} <span class="of">${nameHtml(clusterOf(evaluation))} by policy ${nameHtml(policyName(evaluation))}</span></h1>
<p>${capital(summaryOf(evaluation))}; ${reportAge(report.scannedAtMs, ageMs)}.</p>
</div>
</div>
${isLetThrough && html`<p class="loud">${signHtml('warn')} <strong>${letThrough(evaluation)}</strong></p>\n`}${
  stored &&
  html`<p class="loud">${signHtml('warn')} <strong>${storedAnswer(stored.atMs, evaluation.evaluatedAtMs)}</strong> ${proseHtml(stored.reason.message)}</p>\n`
}</header>
`;
}

function policyName({ policy }: Evaluation): string {
  return policy.name || '(unnamed)';
}

/** What was looked at, by what, and when. */
function factsHtml(evaluation: Evaluation): Html {
  const { cluster, report, policy, baseline, evaluatedAtMs } = evaluation;
  const age = report.ageSeconds === undefined ? 'of unknown age' : `${formatDuration(report.ageSeconds * 1000)} old`;
  const facts: readonly (readonly [label: string, value: Html, details: readonly (Html | false)[]])[] = [
    [
      'Cluster',
      nameHtml(clusterOf(evaluation)),
      [cluster.id !== '' && nameHtml(cluster.id), cluster.category !== '' && nameHtml(cluster.category, 60)],
    ],
    [
      'Report scanned',
      report.scannedAtMs === undefined ? html`no report` : html`${timeHtml(report.scannedAtMs)}, ${age}`,
      [report.id !== '' && nameHtml(report.id), report.digest !== '' && nameHtml(report.digest, 100)],
    ],
    ['Policy', nameHtml(policyName(evaluation)), [nameHtml(policy.digest, 100)]],
    ['Judged as of', timeHtml(evaluatedAtMs), []],
  ];
  const compared: typeof facts = baseline
    ? [
        [
          'Baseline scanned',
          timeHtml(baseline.scannedAtMs),
          [baseline.reportId !== '' && nameHtml(baseline.reportId), nameHtml(baseline.digest, 100)],
        ],
      ]
    : [];
  return html`<dl class="facts">
${[...facts, ...compared].map(
  ([label, value, details]) =>
    html`<div><dt>${label}</dt><dd>${value}${details.map((detail) => detail && html`<small>${detail}</small>`)}</dd></div>\n`,
)}</dl>
`;
}

function reasonsHtml({ reasons, verdict }: Evaluation): Html {
  return listSection('reasons', doubtTitle(verdict), reasons, shown.reasons, reasonHtml, 'more reason');
}

function reasonHtml({ kind, message, rules }: Reason): Html {
  const named = rules?.slice(0, shown.reasonRules).map((id) => nameHtml(id, 100)) ?? [];
  const more = (rules?.length ?? 0) - named.length;
  return html`<strong>${kind}</strong>: ${proseHtml(message)}${named.length > 0 && html` <small>${joined(named, ', ')}${more > 0 && ` and ${quantity(more)} more`}</small>`}`;
}

/** What to do first. */
function wayHtml(way: WayToGreen | undefined): Html {
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

/** Which rules have new findings, and which have less. */
function comparisonHtml({ rules, baseline }: Evaluation): Html {
  const compared = rules.flatMap((rule) => (rule.since ? [{ rule, since: rule.since }] : []));
  if (baseline === undefined || compared.length === 0) return html``;
  const columns: readonly Column[] = [
    { label: 'Rule', kind: 'wide', isHeader: true },
    ...['Before', 'New', 'Fixed', 'Found'].map((label) => ({ label, kind: 'number' as const })),
  ];
  const rows = compared
    .slice(0, shown.compared)
    .map(({ rule, since }) =>
      rowHtml(columns, [
        nameHtml(rule.id, 100),
        ...[since.before, since.new, since.fixed, rule.count].map((n) => html`${quantity(n)}`),
      ]),
    );
  const caption = html`Against the report that was scanned ${timeHtml(baseline.scannedAtMs)}`;
  return tableSection('baseline', 'Against the baseline', caption, columns, rows, compared.length, 'more rule');
}

function waiversHtml(waivers: readonly WaiverResult[]): Html {
  if (waivers.length === 0) return html``;
  const columns: readonly Column[] = [
    { label: 'Status', kind: 'short' },
    { label: 'Waiver', kind: 'wide', isHeader: true },
    { label: 'Owner', kind: 'medium' },
    { label: 'Reason', kind: 'wide' },
    { label: 'Ticket', kind: 'short' },
    { label: 'Expires', kind: 'medium' },
  ];
  const rows = waivers.slice(0, shown.waivers).map((waiver) => {
    const { status, owner, reason, ticket, expiresAtMs } = waiver;
    return rowHtml(columns, [
      needsAttention(waiver) ? html`<span class="status warn">${signHtml('warn')} ${status}</span>` : html`${status}`,
      phraseHtml(waiverPhrase(waiver), waiverName),
      nameHtml(owner, 80),
      proseHtml(reason, 300),
      ticket === undefined ? html`` : nameHtml(ticket, 80),
      timeHtml(expiresAtMs),
    ]);
  });
  const caption = html`${plural(waivers.length, 'waiver')} of the policy; what they waive is counted apart`;
  return tableSection('waivers', 'Waivers', caption, columns, rows, waivers.length, 'more waiver');
}

function waiverName(text: string): Html {
  return nameHtml(text, 100);
}

function notesHtml({ notes }: Evaluation): Html {
  return listSection('notes', 'Notes', notes, shown.notes, ({ message }) => proseHtml(message), 'more note');
}

function countsHtml({ counts }: Evaluation): Html {
  const columns: readonly Column[] = [
    { label: 'List', kind: 'wide', isHeader: true },
    { label: 'Reported', kind: 'number' },
    { label: 'Listed', kind: 'number' },
    { label: 'Agreement', kind: 'wide' },
  ];
  const rows = listNames.map((list) => {
    const { reported, listed } = counts[list];
    return rowHtml(columns, [
      html`${list}`,
      html`${reported === undefined ? '–' : quantity(reported)}`,
      html`${quantity(listed)}`,
      html`${agreementOf(list, reported, listed)}`,
    ]);
  });
  const caption = html`What the report counts, and what its lists hold`;
  return tableSection('counts', 'Counts', caption, columns, rows, rows.length, 'more list');
}

/** The count beside the baselines is of another unit. */
function agreementOf(list: ListName, reported: number | undefined, listed: number): string {
  if (reported === undefined) return 'no count reported';
  if (list === 'baseline_checks') return 'counts risks, lists checks';
  return reported === listed ? 'agree' : 'differ';
}

function listSection<T>(
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

/** @param of rows there are, those that are not shown included */
function tableSection(
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

function moreHtml(text: string): Html {
  return html`<p class="more">${text}</p>\n`;
}

function timeHtml(ms: number): Html {
  const iso = isoTime(ms);
  return iso === null ? html`an unknown time` : html`<time datetime="${iso}">${minuteOf(ms)}</time>`;
}
