import type { Evaluation, WaiverResult } from '../evaluation.ts';
import { type ListName, listNames } from '../report.ts';
import { type Column, type Html, html, nameHtml, phraseHtml, proseHtml, rowHtml } from './html.ts';
import { tableSection, timeHtml } from './page-section.ts';
import { signHtml } from './page-signs.ts';
import { needsAttention, waiverPhrase } from './waiver-words.ts';
import { plural, quantity } from './words.ts';

/** Shown of each table; what is left out is counted. */
const shown = { compared: 500, waivers: 200 };

/** Which rules have new findings, and which have less. */
export function comparisonHtml({ rules, baseline }: Evaluation): Html {
  const compared = rules.flatMap((rule) => (rule.since ? [{ rule, since: rule.since }] : []));
  if (baseline === undefined || baseline === 'none' || compared.length === 0) return html``;
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

export function waiversHtml(waivers: readonly WaiverResult[]): Html {
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

export function countsHtml({ counts }: Evaluation): Html {
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
