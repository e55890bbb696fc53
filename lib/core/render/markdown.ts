import type { Evaluation, Reason, RuleResult, RuleStatus, Verdict, WaiverResult } from '../evaluation.ts';
import { htmlCode, markdownCode, markdownText } from './escape.ts';
import { type Escapes, groupLines, moreFindings, onlyReported, tellFinding } from './finding-words.ts';
import { remedyPhrase } from './remedy-words.ts';
import { needsAttention, waiverGrounds, waiverPhrase } from './waiver-words.ts';
import {
  brokenWorstFirst,
  byUrgency,
  capital,
  clusterOf,
  doubtTitle,
  excess,
  letThrough,
  plural,
  quantity,
  reportAge,
  spell,
  summaryOf,
} from './words.ts';

/**
 * Shown of each list; what is left out is counted. With them, and with the limits of each text, the whole stays below the
 * 1 MiB of a step summary of GitHub, and short enough to be read.
 */
const shown = { rules: 100, details: 25, findings: 5, groups: 5, steps: 3, reasons: 20, waivers: 50, notes: 20 };

/** For a step summary, a comment on a pull request or a page: the verdict, the rules worst first, then what breaks them. */
export function renderMarkdown(evaluation: Evaluation): string {
  const blocks = [
    headline(evaluation),
    ...reasonBlocks(evaluation),
    ...ruleTable(evaluation),
    ...wayToGreenBlocks(evaluation),
    ...detailBlocks(evaluation),
    ...waiverBlocks(evaluation),
    ...noteBlocks(evaluation),
  ];
  return `${blocks.join('\n\n')}\n`;
}

const verdictSigns = { pass: '✅', fail: '❌', undetermined: '❔' } as const satisfies Record<Verdict, string>;

const statusSigns = {
  ...verdictSigns,
  warn: '⚠️',
  observed: '👁️',
} as const satisfies Record<RuleStatus, string>;

function headline(evaluation: Evaluation): string {
  const { verdict, policy, report } = evaluation;
  const subject = `${code(clusterOf(evaluation))} by policy ${code(policy.name || '(unnamed)')}`;
  const ageMs = report.ageSeconds === undefined ? undefined : report.ageSeconds * 1000;
  return [
    `## ${verdictSigns[verdict]} ${verdict.toUpperCase()}: ${subject}`,
    ...(evaluation.isLetThrough ? [`> **${letThrough(evaluation)}**`] : []),
    `${capital(summaryOf(evaluation))}; ${reportAge(report.scannedAtMs, ageMs)}.`,
  ].join('\n\n');
}

function reasonBlocks({ reasons, verdict }: Evaluation): readonly string[] {
  return list(`**${doubtTitle(verdict)}**`, reasons, shown.reasons, reasonLine, 'more reason');
}

function reasonLine({ kind, message, rules }: Reason): string {
  const which = rules ? ` (${some(rules, 10)})` : '';
  return `**${kind}**: ${prose(message)}${which}`;
}

function ruleTable({ rules }: Evaluation): readonly string[] {
  if (rules.length === 0) return [];
  const sorted = byUrgency(rules).slice(0, shown.rules);
  const rows = sorted.map(
    ({ status, id, count, max, waived, severity, on, per }) =>
      `| ${statusSigns[status]} ${status} | ${code(id)} | ${quantity(count)} | ${quantity(max)}${per ? ' each' : ''} | ${quantity(waived)} | ${severity} | ${on} |`,
  );
  const table = [
    '| Status | Rule | Found | Allowed | Waived | Severity | On |',
    '| :-- | :-- | --: | --: | --: | :-- | :-- |',
    ...rows,
  ].join('\n');
  const more = rules.length - sorted.length;
  return more > 0 ? [table, `and ${plural(more, 'more rule')}`] : [table];
}

function wayToGreenBlocks({ wayToGreen }: Evaluation): readonly string[] {
  if (wayToGreen === undefined) return [];
  const { steps, omitted, of, left = [] } = wayToGreen;
  const lines = steps.slice(0, shown.steps).map((step, i) => {
    const advice = step.advice ? `; fix: ${prose(step.advice)}` : '';
    return `${i + 1}. ${capital(spell(remedyPhrase(step, of), code))}${advice}`;
  });
  const more = steps.length - lines.length + omitted;
  const besides = left.slice(0, shown.steps * 2).map((one) => `- ${prose(one)}`);
  const blocks = [lines.join('\n'), more > 0 ? `and ${plural(more, 'more step')}` : '', besides.join('\n')];
  return ['**Way to green**', ...blocks.filter((block) => block !== '')];
}

/** Folded, so that the table stays in sight. */
function detailBlocks({ rules }: Evaluation): readonly string[] {
  const broken = brokenWorstFirst(rules);
  const blocks = broken.slice(0, shown.details).map(detailBlock);
  const left = broken.slice(shown.details);
  if (left.length === 0) return blocks;
  const findings = left.reduce((sum, { count }) => sum + count, 0);
  return [...blocks, `and ${plural(findings, 'finding')} of ${plural(left.length, 'more broken rule')}`];
}

function detailBlock(rule: RuleResult): string {
  const waived = rule.waived > 0 ? `, ${quantity(rule.waived)} waived` : '';
  const findings = rule.findings.slice(0, shown.findings).map((finding) => {
    const { line, hint } = tellFinding(rule.on, finding.fields, escapes);
    return hint ? `${line}<br>${hint}` : line;
  });
  const more = rule.count - findings.length;
  const lines = [
    ...(rule.evidence === 'reported' ? [onlyReported] : []),
    ...groupLines(rule, shown.groups, escapes),
    ...findings,
    ...(more > 0 ? [moreFindings(more, findings.length)] : []),
  ];
  return [
    `<details><summary>${htmlCode(rule.id, 100)}: ${excess(rule)}${waived}</summary>`,
    ...(rule.message ? [`Policy: ${prose(rule.message)}`] : []),
    lines.map((line) => `- ${line}`).join('\n'),
    '</details>',
  ].join('\n\n');
}

function waiverBlocks({ waivers }: Evaluation): readonly string[] {
  return list('**Waivers**', waivers, shown.waivers, waiverLine, 'more waiver');
}

function waiverLine(waiver: WaiverResult): string {
  const sign = needsAttention(waiver) ? '⚠️ ' : '';
  return `${sign}${spell(waiverPhrase(waiver), code)}; ${spell(waiverGrounds(waiver), prose)}`;
}

function noteBlocks({ notes }: Evaluation): readonly string[] {
  return list('**Notes**', notes, shown.notes, ({ message }) => prose(message), 'more note');
}

function list<T>(
  title: string,
  items: readonly T[],
  most: number,
  line: (item: T) => string,
  more: string,
): readonly string[] {
  if (items.length === 0) return [];
  const lines = items.slice(0, most).map((item) => `- ${line(item)}`);
  if (items.length > most) lines.push(`- and ${plural(items.length - most, more)}`);
  return [title, lines.join('\n')];
}

function some(names: readonly string[], most: number): string {
  const more = names.length > most ? [`and ${quantity(names.length - most)} more`] : [];
  return [...names.slice(0, most).map(code), ...more].join(', ');
}

function code(text: string): string {
  return markdownCode(text, 100);
}

function prose(text: string): string {
  return markdownText(text, 300);
}

const escapes: Escapes = { name: code, prose, grade: (text) => `**${markdownText(text, 20)}**` };
