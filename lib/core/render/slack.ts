import { formatDuration } from '../duration.ts';
import type { Evaluation, KeptFinding, Reason, RuleResult, RuleStatus, Verdict } from '../evaluation.ts';
import type { Notice } from '../notice.ts';
import { plainText, slackCode, slackText } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import {
  brokenGroups,
  brokenWorstFirst,
  clusterOf,
  describe,
  excess,
  groupKey,
  isoTime,
  plural,
  quantity,
  spell,
  summaryOf,
} from './words.ts';

interface PlainText {
  type: 'plain_text';
  text: string;
  emoji: boolean;
}

/** `verbatim`: Slack makes no links or mentions out of plain words. */
interface Mrkdwn {
  type: 'mrkdwn';
  text: string;
  verbatim: true;
}

export type SlackBlock =
  | { type: 'header'; text: PlainText }
  | { type: 'section'; text: Mrkdwn }
  | { type: 'context'; elements: Mrkdwn[] };

export interface SlackPayload {
  /** What notifications and screen readers tell; the whole message where there are no blocks. */
  text: string;
  blocks?: SlackBlock[];
  unfurl_links: false;
  unfurl_media: false;
}

/** For every broken rule: shown + counted = total. */
export interface Account {
  readonly rule: string;
  readonly total: number;
  /** Findings that are told one by one. */
  readonly shown: number;
  /** Findings that are told as a number. */
  readonly counted: number;
}

export interface SlackMessage {
  readonly payload: SlackPayload;
  readonly accounts: readonly Account[];
}

/**
 * What Slack takes: 50 blocks, 3,000 characters in a section, 150 in a header, 10 elements in a context. All texts
 * together also have a limit, which is not documented: messages of 11,341 characters were refused with
 * `msg_blocks_too_long`.
 *
 * @see https://github.com/slackapi/bolt-js/issues/2867
 */
const limits = { text: 9_000, section: 2_900, ruleSections: 40 };

/** Leaves room below 3,000 for what is added: empty lines and why there are no blocks. */
const plainBudget = 2_600;

const shownFindings = 5;
const shownGroups = 3;

/** Block Kit, with a text beside it. */
export function renderSlack(notice: Notice): SlackMessage {
  const { title, sections, footer, accounts } = contentOf(notice, limits.text);
  return {
    payload: {
      text: [title, ...headlines(notice)].join('\n'),
      blocks: [
        {
          type: 'header',
          text: { type: 'plain_text', text: titleOf(notice, (name) => plainText(name, 36)), emoji: true },
        },
        ...sections.map((text): SlackBlock => ({ type: 'section', text: mrkdwn(text) })),
        { type: 'context', elements: footer.map(mrkdwn) },
      ],
      unfurl_links: false,
      unfurl_media: false,
    },
    accounts,
  };
}

/**
 * The same as text alone, within 3,000 characters, for when Slack refuses the blocks.
 *
 * @param refusal Slack's word for why, which the message then tells
 */
export function renderSlackPlain(notice: Notice, refusal?: string): SlackMessage {
  const { title, sections, footer, accounts } = contentOf(notice, plainBudget);
  const why = refusal === undefined ? [] : [`_Slack refused the full message: ${slackCode(refusal, 60)}_`];
  return {
    payload: {
      text: [`*${title}*`, ...sections, ...footer, ...why].join('\n\n'),
      unfurl_links: false,
      unfurl_media: false,
    },
    accounts,
  };
}

interface Content {
  readonly title: string;
  readonly sections: readonly string[];
  readonly footer: readonly string[];
  readonly accounts: readonly Account[];
}

/** @param budget characters of all texts together */
function contentOf(notice: Notice, budget: number): Content {
  const title = titleOf(notice, (name) => slackText(name, 80));
  if (notice.about === 'source') {
    const lead = 'None of its clusters were judged. That is not a pass: nothing is known about them.';
    const footer = [`notice ${slackCode(notice.id, 70)}`];
    return {
      title,
      sections: [lead, reasonsText('Why', notice.reasons, Math.min(limits.section, budget / 2))],
      footer,
      accounts: [],
    };
  }

  const { evaluation } = notice;
  const sections = [leadOf(notice.source, evaluation)];
  if (evaluation.reasons.length > 0) {
    const why = evaluation.verdict === 'undetermined' ? 'Why it cannot be judged' : 'What cannot be judged';
    sections.push(reasonsText(why, evaluation.reasons, budget / 5));
  }
  const footer = footerOf(notice.id, evaluation, budget / 8);
  const left = budget - title.length - lengthOf(sections) - lengthOf(footer);
  const { texts, accounts } = rulesWithin(brokenWorstFirst(evaluation.rules), left);
  return { title, sections: [...sections, ...texts], footer, accounts };
}

const marks = { pass: '🟢', fail: '🔴', undetermined: '🟡', warn: '🟠', observed: '🔵' } as const satisfies Record<
  Verdict | RuleStatus,
  string
>;

function titleOf(notice: Notice, name: (text: string) => string): string {
  if (notice.about === 'source') return `${marks.undetermined} Source ${name(notice.source)} could not be looked at`;
  const { evaluation } = notice;
  const [worst, ...others] = brokenWorstFirst(evaluation.rules).filter(({ status }) => status === 'fail');
  const broken = worst ? ` on ${name(worst.id)}${others.length > 0 ? ` and ${quantity(others.length)} more` : ''}` : '';
  const told = { pass: 'passes', fail: 'fails', undetermined: 'cannot be judged by' } as const;
  const policy = name(evaluation.policy.name || 'its policy');
  return `${marks[evaluation.verdict]} ${name(clusterOf(evaluation))} ${told[evaluation.verdict]} ${policy}${broken}`;
}

/** For the text beside the blocks: what a phone shows. */
function headlines(notice: Notice): readonly string[] {
  if (notice.about === 'source') return notice.reasons.slice(0, 3).map(({ message }) => `• ${slackText(message, 500)}`);
  const { evaluation } = notice;
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
  const scannedAt = isoTime(report.scannedAtMs);
  const age = report.ageSeconds === undefined ? 'of unknown age' : `${formatDuration(report.ageSeconds * 1000)} old`;
  const seen = scannedAt ? `report ${age}, scanned ${scannedAt.slice(0, 16).replace('T', ' ')} UTC` : 'no report';
  const where = [`source ${slackCode(source, 80)}`, cluster.id && `cluster ${slackCode(cluster.id, 80)}`];
  return `*${capital(summaryOf(evaluation))}*\n${capital(seen)}\n${capital(where.filter(Boolean).join(', '))}`;
}

function reasonsText(title: string, reasons: readonly Reason[], max: number): string {
  // Whatever its length, the first one fits.
  const longest = Math.min(500, max - 160);
  const { lines } = fitLines(
    reasons,
    reasons.length,
    max - 40,
    ({ kind, message, rules }) => {
      const affected = rules?.length ? ` (${plural(rules.length, 'rule')})` : '';
      return `• ${slackCode(kind, 40)} ${slackText(message, longest)}${affected}`;
    },
    (rest) => `and ${plural(rest, 'more reason')}`,
  );
  return [`*${title}*`, ...lines].join('\n');
}

/** A section per rule as long as there is room, the worst with the most of it; one line counts the others. */
function rulesWithin(rules: readonly RuleResult[], budget: number): { texts: string[]; accounts: Account[] } {
  const forOthers = Math.min(600, budget / 4);
  const texts: string[] = [];
  const accounts: Account[] = [];
  let left = budget - forOthers;
  for (const rule of rules.slice(0, limits.ruleSections)) {
    const share = Math.max(left / Math.min(rules.length - texts.length, 4), 350);
    if (share > left) break;
    const { text, shown } = ruleText(rule, Math.min(share, limits.section));
    texts.push(text);
    accounts.push({ rule: rule.id, total: rule.count, shown, counted: rule.count - shown });
    left -= text.length + 2;
  }

  const others = rules.slice(texts.length);
  if (others.length > 0) texts.push(othersText(others, texts.length > 0, forOthers));
  for (const { id, count } of others) accounts.push({ rule: id, total: count, shown: 0, counted: count });
  return { texts, accounts };
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
    (rest, shown) => `and ${plural(rest, 'more')} with ${found(shown)} found`,
  );
  return [title, ...lines].join('\n');
}

function ruleText(rule: RuleResult, max: number): { text: string; shown: number } {
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
    (finding) => findingText(rule, finding),
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

function findingText({ on }: RuleResult, { fields }: KeptFinding): string {
  const { severity, what, where, hint } = describe(on, fields);
  const grade = severity ? `*${slackText(severity, 20)}* ` : '';
  const at = where.map(({ label, value }) => `${label} ${slackCode(value, 90)}`).join(', ');
  const lines = [`• ${grade}${spell(what, (value) => slackCode(value, 100))}`];
  if (at) lines.push(`     ${at}`);
  if (hint) lines.push(`     ${hint.label}: ${slackText(hint.text, 160)}`);
  return lines.join('\n');
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
} as const;

function mrkdwn(text: string): Mrkdwn {
  return { type: 'mrkdwn', text, verbatim: true };
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 2, 0);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
