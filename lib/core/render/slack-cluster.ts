import type { Evaluation, RuleResult, RuleStatus, Verdict } from '../evaluation.ts';
import { slackCode, slackText } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import {
  marks as allMarks,
  type Content,
  findingText,
  lengthOf,
  reasonsText,
  type Section,
  sectionsWithin,
  shownFindings,
} from './slack-parts.ts';
import {
  brokenGroups,
  brokenWorstFirst,
  capital,
  clusterOf,
  excess,
  groupKey,
  plural,
  quantity,
  reportAge,
  summaryOf,
} from './words.ts';

const marks: Readonly<Record<Verdict | RuleStatus, string>> = allMarks;

const shownGroups = 3;

/** What became of a cluster. @param budget characters of all texts together */
export function clusterContent(
  { id, source, evaluation }: { readonly id: string; readonly source: string; readonly evaluation: Evaluation },
  budget: number,
): Content {
  const title = (name: (text: string) => string) => titleOf(evaluation, name);
  const sections = [leadOf(source, evaluation)];
  if (evaluation.reasons.length > 0) {
    const why = evaluation.verdict === 'undetermined' ? 'Why it cannot be judged' : 'What cannot be judged';
    sections.push(reasonsText(why, evaluation.reasons, budget / 5));
  }
  const footer = footerOf(id, evaluation, budget / 8);
  const left = budget - title((name) => slackText(name, 80)).length - lengthOf(sections) - lengthOf(footer);
  const { texts, accounts } = sectionsWithin(brokenWorstFirst(evaluation.rules), left, {
    least: 350,
    section: ruleText,
    others: othersText,
    account: (rule) => ({ rule: rule.id, total: rule.count }),
  });
  return { title, headlines: headlines(evaluation), sections: [...sections, ...texts], footer, accounts };
}

function titleOf(evaluation: Evaluation, name: (text: string) => string): string {
  const [worst, ...others] = brokenWorstFirst(evaluation.rules).filter(({ status }) => status === 'fail');
  const broken = worst ? ` on ${name(worst.id)}${others.length > 0 ? ` and ${quantity(others.length)} more` : ''}` : '';
  const told = { pass: 'passes', fail: 'fails', undetermined: 'cannot be judged by' } as const;
  const policy = name(evaluation.policy.name || 'its policy');
  return `${marks[evaluation.verdict]} ${name(clusterOf(evaluation))} ${told[evaluation.verdict]} ${policy}${broken}`;
}

function headlines(evaluation: Evaluation): readonly string[] {
  const broken = brokenWorstFirst(evaluation.rules);
  const { lines } = fitLines(
    broken,
    broken.length,
    600,
    (rule) => `${slackText(rule.id, 80)}: ${excess(rule)}`,
    (rest) => `and ${plural(rest, 'more broken rule')}`,
  );
  return [summaryOf(evaluation), ...lines];
}

function leadOf(source: string, evaluation: Evaluation): string {
  const { report, cluster } = evaluation;
  const ageMs = report.ageSeconds === undefined ? undefined : report.ageSeconds * 1000;
  const where = [`source ${slackCode(source, 80)}`, cluster.id && `cluster ${slackCode(cluster.id, 80)}`];
  return [
    `*${capital(summaryOf(evaluation))}*`,
    capital(reportAge(report.scannedAtMs, ageMs)),
    capital(where.filter(Boolean).join(', ')),
  ].join('\n');
}

/** All findings of these rules are counted: each rule's own number, or the sum for those that have no room either. */
function othersText(rules: readonly RuleResult[], more: boolean, max: number): string {
  const found = (from: number) => quantity(rules.slice(from).reduce((sum, { count }) => sum + count, 0));
  const title = `*${plural(rules.length, more ? 'more rule' : 'rule')} broken, ${found(0)} found*`;
  const { lines } = fitLines(
    rules,
    rules.length,
    max - title.length - 1,
    (rule) => `${marks[rule.status]} ${slackCode(rule.id, 70)} ${quantity(rule.count)}`,
    (rest, shown) => `and ${quantity(rest)} more with ${found(shown)} found`,
  );
  return [title, ...lines].join('\n');
}

function ruleText(rule: RuleResult, max: number): Section {
  const id = slackCode(rule.id, 70);
  const head = [`${marks[rule.status]} *${rule.status}* ${id} (${rule.severity}): ${excess(rule)}`];
  if (rule.waived > 0) head[0] += `, ${quantity(rule.waived)} waived`;
  const room = () => max - lengthOf(head);
  if (rule.message && room() > 600) head.push(`Policy: ${slackText(rule.message, 200)}`);
  if (rule.evidence === 'reported') head.push('The report counts them, its list does not show them.');
  if (rule.per && room() > 600) head.push(...groupLines(rule, room() / 3));

  // What is only observed asks nobody to act: its number is enough.
  const findings = rule.status === 'observed' ? [] : rule.findings.slice(0, shownFindings);
  const { lines, shown } = fitLines(
    findings,
    rule.count,
    room(),
    (finding) => findingText(rule.on, finding),
    (rest, told) => (told > 0 ? `and ${quantity(rest)} more` : `${quantity(rest)} not shown here`),
  );
  return { text: [...head, ...lines].join('\n'), shown };
}

function groupLines(rule: RuleResult, max: number): readonly string[] {
  const { lines } = fitLines(
    (rule.groups ?? []).slice(0, shownGroups),
    brokenGroups(rule),
    max,
    (group) => {
      const key = groupKey(group).map(({ label, value }) => `${label} ${slackCode(value, 60)}`);
      return `▸ ${key.join(', ')}: ${quantity(group.count)} found`;
    },
    (rest) => `▸ and ${plural(rest, 'more group')}`,
  );
  return lines;
}

function footerOf(noticeId: string, evaluation: Evaluation, max: number): readonly string[] {
  const { waivers, notes, report } = evaluation;
  const ids = [`notice ${slackCode(noticeId, 70)}`, report.id && `report ${slackCode(report.id, 70)}`];
  const waived = fitLines(
    waivers.filter(({ status }) => status === 'expired').concat(waivers.filter(({ status }) => status !== 'expired')),
    waivers.length,
    max / 2,
    ({ id, status, count }) => `${slackCode(id, 40)} ${waiverTold[status](quantity(count))}`,
    (rest) => `and ${plural(rest, 'more waiver')}`,
  ).lines;
  const noted = fitLines(
    notes,
    notes.length,
    max / 2,
    ({ message }) => slackText(message, Math.min(200, max / 2 - 40)),
    (rest) => `and ${plural(rest, 'more note')}`,
  ).lines;
  return [
    waived.length > 0 && `Waivers: ${waived.join('; ')}`,
    noted.length > 0 && `Notes: ${noted.join('; ')}`,
    ids.filter(Boolean).join(', '),
  ].filter((text) => text !== false);
}

const waiverTold = {
  used: (count: string) => `waives ${count}`,
  unused: () => 'matches nothing',
  expired: (count: string) => `expired, would waive ${count}`,
  pending: (count: string) => `is not in force yet, will waive ${count}`,
  'over-broad': (count: string) => `covers ${count}, more than it was granted for`,
} as const;
