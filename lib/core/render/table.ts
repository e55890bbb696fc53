import { formatDuration } from '../duration.ts';
import type { Evaluation, KeptFinding, RuleResult, RuleStatus, Verdict, WayToGreen } from '../evaluation.ts';
import { listNames } from '../report.ts';
import { logLine, terminalText } from './escape.ts';
import { remedyPhrase } from './remedy-words.ts';
import { needsAttention, waiverGrounds, waiverPhrase } from './waiver-words.ts';
import {
  byUrgency,
  clusterOf,
  describe,
  doubtTitle,
  excess,
  groupKey,
  isBroken,
  isoTime,
  letThrough,
  plural,
  quantity,
  sinceWords,
  spell,
  summaryOf,
} from './words.ts';
import { displayWidth, wrap } from './wrap.ts';

export interface TableOptions {
  readonly colour: boolean;
  /** Width of the terminal. */
  readonly columns: number;
}

/** Shown of each rule; all that is left out is counted. */
const shownFindings = 5;
const shownGroups = 5;
const shownSteps = 3;
const shownLeft = 5;

/** For a person at a terminal or in a CI log: the verdict, then what is broken, worst first, where and how to fix it. */
export function renderTable(evaluation: Evaluation, { colour, columns }: TableOptions): string {
  const style = colour ? paint : (text: string) => text;
  const width = Math.max(columns, 40);
  const lines: string[] = [];
  const put = (text: string, indent = 0, hang = indent) => lines.push(...wrap(text, width, indent, hang));
  const title = (text: string) => lines.push('', style(text, 'bold'));

  const verdict = evaluation.verdict.toUpperCase();
  const subject = `${safe(clusterOf(evaluation))} by policy ${safe(evaluation.policy.name || '(unnamed)')}`;
  put(`${style(verdict, verdictColours[evaluation.verdict])} ${subject}: ${summaryOf(evaluation)}`);
  if (evaluation.isLetThrough) {
    put(style(letThrough(evaluation), 'yellow'));
  }
  put(reportLine(evaluation));

  if (evaluation.reasons.length > 0) {
    title(doubtTitle(evaluation.verdict));
    for (const { kind, message, rules } of evaluation.reasons) {
      put(`${kind}: ${prose(message)}${rules ? ` (${rules.map(safe).join(', ')})` : ''}`, 2, 4);
    }
  }

  lines.push('');
  const table = tableOf(byUrgency(evaluation.rules));
  for (const { cells, rule } of table) {
    const [status = '', ...rest] = cells;
    put([style(status, rule ? statusColours[rule.status] : 'bold'), ...rest].join('  ').trimEnd(), 0, 8);
    if (rule && isBroken(rule)) details(rule, put, style);
    else if (rule?.since && rule.since.fixed > 0) put(sinceWords(rule.since), 8);
  }

  if (evaluation.waivers.length > 0) {
    title('Waivers');
    for (const waiver of evaluation.waivers) {
      put(`${needsAttention(waiver) ? '! ' : ''}${spell(waiverPhrase(waiver), safe)}`, 2, 4);
      if (waiver.status !== 'unused') put(spell(waiverGrounds(waiver), safe), 4);
    }
  }
  const odd = [...countsThatDisagree(evaluation), ...evaluation.notes.map(({ message }) => prose(message))];
  if (odd.length > 0) {
    title('Notes');
    for (const note of odd) put(note, 2, 4);
  }
  wayLines(evaluation.wayToGreen, put, title);
  return `${lines.map(logLine).join('\n')}\n`;
}

/** Last, since that is where one looks in a log: what to do. */
function wayLines(way: WayToGreen | undefined, put: Put, title: (text: string) => void): void {
  if (way === undefined) return;
  const { steps, omitted, of, left = [] } = way;
  const besides = left.length === 0 ? '' : ', and what no change brings';
  title(`The shortest way to green: ${plural(steps.length + omitted, 'change')}${besides}`);
  for (const step of steps.slice(0, shownSteps)) put(spell(remedyPhrase(step, of), safe), 2, 4);
  const more = steps.length + omitted - shownSteps;
  if (more > 0) put(`and ${plural(more, 'more change')}`, 2);
  for (const one of left.slice(0, shownLeft)) put(terminalText(one, 400), 2, 4);
  if (left.length > shownLeft) put(`and ${quantity(left.length - shownLeft)} more`, 2);
}

function reportLine({ report, cluster }: Evaluation): string {
  const scannedAt = isoTime(report.scannedAtMs);
  const seen = scannedAt !== null || report.digest !== '';
  const parts = [
    !seen ? 'no report' : report.id ? `report ${safe(report.id)}` : 'report',
    seen && (scannedAt ? `scanned ${scannedAt}` : 'scan time unknown'),
    report.ageSeconds !== undefined && `${formatDuration(report.ageSeconds * 1000)} old`,
    cluster.id && cluster.name ? `cluster ${safe(cluster.id)}` : '',
    safe(cluster.category),
  ];
  return parts.filter(Boolean).join(', ');
}

type Row = { readonly cells: readonly string[]; readonly rule?: RuleResult };

/** Cells padded to the width of their column; numbers to the right. */
function tableOf(rules: readonly RuleResult[]): readonly Row[] {
  if (rules.length === 0) return [];
  const rows: Row[] = [
    { cells: ['STATUS', 'RULE', 'FOUND', 'MAX', 'WAIVED', 'ON', 'SEVERITY'] },
    ...rules.map((rule) => ({
      rule,
      cells: [
        rule.status.toUpperCase(),
        safe(rule.id),
        quantity(rule.count),
        quantity(rule.max),
        quantity(rule.waived),
        rule.on,
        rule.severity,
      ],
    })),
  ];
  const widths = (rows[0]?.cells ?? []).map((_, i) =>
    rows.reduce((most, row) => Math.max(most, displayWidth(row.cells[i] ?? '')), 0),
  );
  const numeric = new Set([2, 3, 4]);
  return rows.map((row) => ({
    ...row,
    cells: row.cells.map((cell, i) => {
      const padding = ' '.repeat((widths[i] ?? 0) - displayWidth(cell));
      return numeric.has(i) ? padding + cell : cell + padding;
    }),
  }));
}

type Put = (text: string, indent?: number, hang?: number) => void;
type Style = (text: string, colour: Colour) => string;

function details(rule: RuleResult, put: Put, style: Style): void {
  if (rule.message) put(prose(rule.message), 8);
  if (rule.since !== undefined) put(sinceWords(rule.since), 8);
  if (rule.evidence === 'reported') put(`${excess(rule)}: the report counts them, its list does not show them`, 8);

  const groups = rule.groups?.slice(0, shownGroups) ?? [];
  for (const group of groups) {
    const key = groupKey(group).map(({ label, value }) => `${label}=${safe(value)}`);
    const waived = group.waived ? `, ${quantity(group.waived)} waived` : '';
    put(`${key.join(' ')}: ${quantity(group.count)} found, ${quantity(rule.max)} allowed${waived}`, 8, 10);
  }
  const moreGroups = (rule.groups?.length ?? 0) - groups.length + (rule.omittedGroups ?? 0);
  if (moreGroups > 0) put(`and ${plural(moreGroups, 'more group')}`, 8);

  const findings = rule.findings.slice(0, shownFindings);
  for (const finding of findings) detail(rule, finding, put, style);
  const more = rule.count - findings.length;
  if (more > 0) put(findings.length > 0 ? `and ${quantity(more)} more` : `${quantity(more)} not shown`, 8);
}

function detail(rule: RuleResult, finding: KeptFinding, put: Put, style: Style): void {
  const { severity, what, where, hint } = describe(rule.on, finding.fields);
  const worst = severity === 'Critical' || severity === 'High' || severity === 'Unknown';
  const grade = severity ? `${style(safe(severity).padEnd(8), worst ? 'red' : 'yellow')}  ` : '- ';
  const inner = severity ? 18 : 10;
  put(`${grade}${spell(what, safe)}`, 8, inner);
  if (where.length > 0) put(where.map(({ label, value }) => `${label} ${safe(value)}`).join(', '), inner);
  if (hint) put(`${hint.label}: ${prose(hint.text)}`, inner, inner + 5);
}

/** Lists that no reason and no note has told of. The count beside the baselines is of another unit. */
function countsThatDisagree({ counts, reasons, notes }: Evaluation): readonly string[] {
  const told = new Set([...reasons, ...notes].map(({ list }) => list));
  return listNames
    .filter((list) => list !== 'baseline_checks' && !told.has(list))
    .map((list) => ({ list, ...counts[list] }))
    .filter(({ reported, listed }) => (reported ?? 0) !== listed)
    .map(({ list, reported, listed }) =>
      reported === undefined
        ? `${list}: no count reported, ${quantity(listed)} listed`
        : `${list}: ${quantity(reported)} reported, ${quantity(listed)} listed`,
    );
}

function safe(text: string): string {
  return terminalText(text, 200);
}

function prose(text: string): string {
  return terminalText(text, 600);
}

type Colour = keyof typeof sgr;

const sgr = { bold: 1, red: 31, green: 32, yellow: 33, blue: 34 } as const;

function paint(text: string, colour: Colour): string {
  return `\x1b[${sgr[colour]}m${text}\x1b[0m`;
}

const verdictColours = { pass: 'green', fail: 'red', undetermined: 'yellow' } as const satisfies Record<
  Verdict,
  Colour
>;

const statusColours = {
  ...verdictColours,
  warn: 'yellow',
  observed: 'blue',
} as const satisfies Record<RuleStatus, Colour>;
