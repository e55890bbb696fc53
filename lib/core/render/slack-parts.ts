import type { KeptFinding, Reason } from '../evaluation.ts';
import type { FindingKind } from '../report.ts';
import { slackCode, slackText } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import { describe, plural, spell } from './words.ts';

/** What a message says, before it is put into blocks or into one text. All but the title is `mrkdwn`. */
export interface Content {
  /** @param name makes a name safe for the place where the title stands */
  readonly title: (name: (text: string) => string) => string;
  /** For the text beside the blocks: what a phone shows below the title. At most about 700 characters. */
  readonly headlines: readonly string[];
  readonly sections: readonly string[];
  readonly footer: readonly string[];
  readonly accounts: readonly Account[];
}

/**
 * Shown + counted = total.
 *
 * - of a notice about alerts, for every alert: the findings that came and those that went, or, of a cluster that cannot
 *   be judged, the reasons
 * - of a digest, for every cluster: its alerts; their findings are all told as numbers
 */
export interface Account {
  /** The alert's fingerprint. */
  readonly alert?: string;
  /** The cluster's id, or its name if it has none. */
  readonly cluster?: string;
  readonly total: number;
  /** Those that are told one by one. */
  readonly shown: number;
  /** Those that are told as a number. */
  readonly counted: number;
}

export const marks = {
  fail: '🔴',
  undetermined: '🟡',
  warn: '🟠',
  observed: '🔵',
  resolved: '✅',
  over: '⚪',
} as const;

/**
 * What Slack takes: 50 blocks, 3,000 characters in a section, 150 in a header, 10 elements in a context. All texts
 * together also have a limit, which is not documented: messages of 11,341 characters were refused with
 * `msg_blocks_too_long`.
 *
 * @see https://github.com/slackapi/bolt-js/issues/2867
 */
export const limits = { text: 9_000, section: 2_900, sections: 40 };

export const shownFindings = 5;

export interface Section {
  readonly text: string;
  readonly shown: number;
}

export interface Sections<T> {
  /** Characters that a section has at least. */
  readonly least: number;
  section(item: T, max: number): Section;
  /** One section that counts all of the items. @param more there are others that have their own */
  others(items: readonly T[], more: boolean, max: number): string;
  account(item: T): Omit<Account, 'shown' | 'counted'>;
}

/** A section per item as long as there is room, the first with the most of it; the last section counts the others. */
export function sectionsWithin<T>(
  items: readonly T[],
  budget: number,
  { least, section, others, account }: Sections<T>,
): { texts: string[]; accounts: Account[] } {
  const forOthers = Math.min(600, budget / 4);
  const texts: string[] = [];
  const accounts: Account[] = [];
  let left = budget - forOthers;
  for (const item of items.slice(0, limits.sections)) {
    const share = Math.max(left / Math.min(items.length - texts.length, 4), least);
    if (share > left) break;
    const { text, shown } = section(item, Math.min(share, limits.section));
    const { total, ...of } = account(item);
    texts.push(text);
    accounts.push({ ...of, total, shown, counted: total - shown });
    left -= text.length + 2;
  }

  const rest = items.slice(texts.length);
  if (rest.length > 0) texts.push(others(rest, texts.length > 0, forOthers));
  for (const item of rest) {
    const { total, ...of } = account(item);
    accounts.push({ ...of, total, shown: 0, counted: total });
  }
  return { texts, accounts };
}

/** Room for a command of ours as a whole. */
const longestCommand = 400;

export function reasonLines(reasons: readonly Reason[], max: number): ReturnType<typeof fitLines> {
  // Whatever its length, the first one fits.
  const longest = (command = '') => Math.min(500, Math.max(60, max - 120 - command.length));
  return fitLines(
    reasons,
    reasons.length,
    max,
    ({ kind, message, command, rules }) => {
      const affected = rules?.length ? ` (${plural(rules.length, 'rule')})` : '';
      const line = `• ${slackCode(kind, 40)} ${slackText(message, longest(command))}${affected}`;
      return command === undefined ? line : `${line}\n${slackCode(command, longestCommand)}`;
    },
    (rest) => `and ${plural(rest, 'more reason')}`,
  );
}

/** @param suffix our own words, after what it is */
export function findingText(on: FindingKind, { fields }: KeptFinding, suffix = ''): string {
  const { severity, what, where, hint } = describe(on, fields);
  const grade = severity ? `*${slackText(severity, 20)}* ` : '';
  const at = where.map(({ label, value }) => `${label} ${slackCode(value, 90)}`).join(', ');
  const lines = [`• ${grade}${spell(what, (value) => slackCode(value, 100))}${suffix}`];
  if (at) lines.push(`     ${at}`);
  if (hint) lines.push(`     ${hint.label}: ${slackText(hint.text, 160)}`);
  return lines.join('\n');
}

export function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + text.length + 2, 0);
}
