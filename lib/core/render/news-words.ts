import { formatDuration } from '../duration.ts';
import { type OwnKind, ownKinds } from '../evaluation.ts';
import type { AlertNews, ClusterNews } from '../notice.ts';
import { type RuleSeverity, ruleSeverities } from '../severity.ts';
import type { Cause } from '../told.ts';
import { fitLines } from './fit-lines.ts';
import { plural, quantity } from './words.ts';

/** What an alert is about: a broken rule, a cluster that cannot be judged, or something of our own. */
export type AlertKind = 'violation' | 'undetermined' | OwnKind;

export function kindOf({ rule, reasons }: Pick<AlertNews, 'rule' | 'reasons'>): AlertKind {
  if (rule !== '') return 'violation';
  return ownKinds.find((own) => reasons.some(({ kind }) => kind === own)) ?? 'undetermined';
}

/** About ourselves: no policy and no report has a part in it. */
export function isOwn(item: Pick<AlertNews, 'rule' | 'reasons'>): boolean {
  return (ownKinds as readonly AlertKind[]).includes(kindOf(item));
}

/** Whether it has reasons in place of findings. */
export function hasReasons({ rule }: Pick<AlertNews, 'rule'>): boolean {
  return rule === '';
}

export function isOver(cause: Cause): boolean {
  return cause === 'resolved' || cause === 'waived' || cause === 'regrouped' || cause === 'policy-changed';
}

/** Only what is resolved is called so: what is waived, or not asked for, is still there. */
const causes: Readonly<Record<AlertKind, Readonly<Record<Cause, string>>>> = {
  violation: {
    new: 'new',
    standing: 'found at the first look',
    worse: 'worse',
    reopened: 'reopened',
    'waiver-expired': 'back since a waiver expired',
    reminder: 'still there',
    better: 'better',
    resolved: 'resolved',
    waived: 'waived',
    'policy-changed': 'no longer watched for',
    regrouped: 'its groups are told one by one again',
  },
  undetermined: {
    new: 'cannot be judged',
    standing: 'cannot be judged',
    worse: 'cannot be judged, for other reasons',
    reopened: 'cannot be judged, once more',
    'waiver-expired': 'cannot be judged, once more',
    reminder: 'still cannot be judged',
    better: 'cannot be judged, for fewer reasons',
    resolved: 'can be judged again',
    waived: 'need not be judged any more',
    'policy-changed': 'need not be judged any more',
    regrouped: 'need not be judged any more',
  },
  'receiver-failing': {
    new: 'takes no messages',
    standing: 'takes no messages',
    worse: 'takes no messages, for other reasons',
    reopened: 'takes no messages, once more',
    'waiver-expired': 'takes no messages, once more',
    reminder: 'still takes no messages',
    better: 'still takes no messages',
    resolved: 'takes messages again',
    waived: 'need not take messages any more',
    'policy-changed': 'need not take messages any more',
    regrouped: 'need not take messages any more',
  },
  'message-refused': {
    new: 'arrived in plain words only',
    standing: 'arrived in plain words only',
    worse: 'arrived in plain words only, for other reasons',
    reopened: 'arrived in plain words only, once more',
    'waiver-expired': 'arrived in plain words only, once more',
    reminder: 'still arrive in plain words only',
    better: 'still arrive in plain words only',
    resolved: 'arrive as they should again',
    waived: 'need not arrive any more',
    'policy-changed': 'need not arrive any more',
    regrouped: 'need not arrive any more',
  },
  'message-given-up': {
    new: 'were not taken, and are given up',
    standing: 'were not taken, and are given up',
    worse: 'are given up, and there are more',
    reopened: 'were not taken, and are given up once more',
    'waiver-expired': 'were not taken, and are given up once more',
    reminder: 'are still given up',
    better: 'are still given up',
    resolved: 'are sent or discarded',
    waived: 'are sent or discarded',
    'policy-changed': 'are sent or discarded',
    regrouped: 'are sent or discarded',
  },
  'memory-unreadable': {
    new: 'cannot be read or written',
    standing: 'cannot be read or written',
    worse: 'cannot be read or written',
    reopened: 'cannot be read or written, once more',
    'waiver-expired': 'cannot be read or written, once more',
    reminder: 'still cannot be read or written',
    better: 'still cannot be read or written',
    resolved: 'can be read and written again',
    waived: 'can be read and written again',
    'policy-changed': 'can be read and written again',
    regrouped: 'can be read and written again',
  },
  'gate-bypassed': {
    new: 'let a deploy through undetermined',
    standing: 'let a deploy through undetermined',
    worse: 'let more deploys through undetermined',
    reopened: 'let a deploy through undetermined, once more',
    'waiver-expired': 'let a deploy through undetermined, once more',
    reminder: 'still lets deploys through undetermined',
    better: 'still lets deploys through undetermined',
    resolved: 'has let nothing more through undetermined',
    waived: 'has let nothing more through undetermined',
    'policy-changed': 'has let nothing more through undetermined',
    regrouped: 'has let nothing more through undetermined',
  },
  'source-poisoned': {
    new: 'cannot be scanned, and is given up',
    standing: 'cannot be scanned, and is given up',
    worse: 'cannot be scanned, and is given up',
    reopened: 'cannot be scanned, and is given up once more',
    'waiver-expired': 'cannot be scanned, and is given up once more',
    reminder: 'still cannot be scanned',
    better: 'still cannot be scanned',
    resolved: 'is out of the dead-letter queue',
    waived: 'is out of the dead-letter queue',
    'policy-changed': 'is out of the dead-letter queue',
    regrouped: 'is out of the dead-letter queue',
  },
  'silence-ending': {
    new: 'ends soon',
    standing: 'ends soon',
    worse: 'ends soon',
    reopened: 'ends soon, once more',
    'waiver-expired': 'ends soon, once more',
    reminder: 'still ends soon',
    better: 'still ends soon',
    resolved: 'has ended',
    waived: 'has ended',
    'policy-changed': 'has ended',
    regrouped: 'has ended',
  },
};

export function causeOf(
  item: Pick<AlertNews, 'cause' | 'rule' | 'reasons' | 'isOfRest' | 'wasSilenced' | 'expired'>,
): string {
  if (item.cause === 'worse' && item.expired !== undefined) return 'worse, and a waiver expired';
  if (item.cause === 'standing' && item.isOfRest === true) return 'was among other groups, and is told by itself';
  return `${causes[kindOf(item)][item.cause]}${silencedOf(item)}`;
}

export function silencedOf({ wasSilenced }: Pick<AlertNews, 'wasSilenced'>): string {
  return wasSilenced === true ? ', silenced until now' : '';
}

const tellingAgeMs = 3_600_000;

/** `, firing for 12d 3h`, `, firing again for 3d`, `, first seen 12d ago` or ` after 12d`; nothing where that says no more than `new`. */
export function ageOf(item: AlertNews, atMs: number): string {
  const { cause, rule, sinceMs, backMs = sinceMs, overMs } = item;
  // Since it was announced, which tells nothing.
  if (isOver(cause) && kindOf(item) === 'silence-ending') return '';
  if (isOver(cause)) return overMs === undefined ? '' : ` after ${formatDuration(overMs - backMs)}`;
  if (atMs - sinceMs < tellingAgeMs) return '';
  // It did not fire all the time.
  if (cause === 'reopened' || cause === 'waiver-expired') return `, first seen ${formatDuration(atMs - sinceMs)} ago`;
  const firing = item.backMs === undefined ? 'firing for' : 'firing again for';
  return `, ${rule === '' ? 'for' : firing} ${formatDuration(atMs - backMs)}`;
}

/** `12 → 15 found, 0 allowed, 3 waived` */
export function numbersOf(item: Pick<AlertNews, 'cause' | 'count' | 'before' | 'max' | 'waived' | 'risen'>): string {
  const { cause, count, before, max, waived, risen } = item;
  const moved =
    (cause === 'worse' || cause === 'better' || cause === 'reminder') && before !== undefined && before !== count;
  const found = `${moved ? `${quantity(before)} → ` : ''}${quantity(count)} found${isOver(cause) ? ' before' : ''}`;
  return `${found}, ${quantity(max)} allowed${waived > 0 ? `, ${quantity(waived)} waived` : ''}${risen === undefined ? '' : `, up to ${risen.to} (was ${risen.from})`}`;
}

/** What to call findings that went: of those that are waived it is not known that they are gone. */
export function goneWord({ cause, waived }: Pick<AlertNews, 'cause' | 'waived'>): string {
  if (cause === 'policy-changed') return 'not asked for any more';
  if (cause === 'waived') return 'waived or gone';
  return waived > 0 && cause !== 'resolved' ? 'gone or waived' : 'gone';
}

/** `W-1, W-2 and 3 more`, of waivers that expired; empty where none is named. At most `max` characters, 64 at least. */
export function expiredOf({ expired }: AlertNews, max: number, spell: (id: string) => string): string {
  const { waivers = [], omitted = 0 } = expired ?? {};
  const total = waivers.length + omitted;
  if (total === 0) return '';
  const and = (rest: number) => (rest > 0 ? ` and ${quantity(rest)} more` : '');
  let shown = 0;
  let text = '';
  for (const waiver of waivers) {
    const longer = shown === 0 ? spell(waiver) : `${text}, ${spell(waiver)}`;
    if (longer.length + and(total - shown - 1).length > max) break;
    text = longer;
    shown++;
  }
  return shown === 0 ? plural(total, 'waiver') : `${text}${and(total - shown)}`;
}

/** What to call findings that came: of those that a waiver covered it is not known that they are new. */
export function cameWord({ expired }: Pick<AlertNews, 'expired'>): string {
  return expired === undefined ? 'new' : 'new or not waived any more';
}

export const originWords = { 'new-image': 'image new to the report', disclosed: 'newly disclosed' } as const;

/** How many findings came: those that are named and the others. */
export function cameIn({ findings, omitted }: Pick<AlertNews, 'findings' | 'omitted'>): number {
  return findings.length + omitted;
}

const inBrief: readonly { readonly causes: readonly Cause[]; readonly word: string }[] = [
  { causes: ['new'], word: 'new' },
  { causes: ['standing'], word: 'at the first look' },
  { causes: ['reopened', 'waiver-expired'], word: 'back' },
  { causes: ['worse'], word: 'worse' },
  { causes: ['reminder'], word: 'still there' },
  { causes: ['better'], word: 'better' },
  { causes: ['policy-changed'], word: 'no longer watched for' },
  { causes: ['regrouped'], word: 'told by group again' },
  { causes: ['waived'], word: 'waived' },
  { causes: ['resolved'], word: 'resolved' },
];

/** `cannot be judged, 1 new, 1 worse, 2 resolved`; what has no room is counted. */
export function briefOf(news: readonly AlertNews[], max: number): string {
  const others = new Map<string, number>();
  const judged = new Map<Cause, number>();
  for (const item of news) {
    if (hasReasons(item)) others.set(causeOf(item), (others.get(causeOf(item)) ?? 0) + 1);
    else {
      const cause = item.isOfRest === true && item.cause === 'standing' ? 'regrouped' : item.cause;
      judged.set(cause, (judged.get(cause) ?? 0) + 1);
    }
  }
  const parts = [
    ...[...others].map(([text, count]) => ({ text, count })),
    ...inBrief
      .map(({ causes: counted, word }) => ({
        word,
        count: counted.reduce((n, cause) => n + (judged.get(cause) ?? 0), 0),
      }))
      .filter(({ count }) => count > 0)
      .map(({ word, count }) => ({ text: `${quantity(count)} ${word}`, count })),
  ];
  const { lines } = fitLines(
    parts,
    parts.length,
    // Commas take a character more than line ends.
    max - parts.length,
    ({ text }) => text,
    (_, shown) => `${quantity(parts.slice(shown).reduce((sum, { count }) => sum + count, 0))} more`,
  );
  return lines.join(', ') || 'nothing new';
}

/** Alerts in numbers. */
export interface Tally {
  readonly alerts: number;
  readonly bySeverity: Readonly<Record<RuleSeverity, number>>;
  /** Broken rules, and the findings of all of them. The reasons of a cluster that cannot be judged are none. */
  readonly violations: number;
  readonly found: number;
  readonly undetermined: number;
}

export function tallyOf(news: readonly AlertNews[]): Tally {
  const tally = { alerts: news.length, bySeverity: countsBySeverity(news), violations: 0, found: 0, undetermined: 0 };
  for (const item of news) {
    const kind = kindOf(item);
    if (kind === 'undetermined') tally.undetermined += 1;
    if (kind !== 'violation') continue;
    tally.violations += 1;
    tally.found += item.count;
  }
  return tally;
}

export function sumOf(tallies: readonly Tally[]): Tally {
  const bySeverity = { critical: 0, high: 0, medium: 0, low: 0 };
  const sum = { alerts: 0, bySeverity, violations: 0, found: 0, undetermined: 0 };
  for (const tally of tallies) {
    for (const key of ['alerts', 'violations', 'found', 'undetermined'] as const) sum[key] += tally[key];
    for (const severity of ruleSeverities) bySeverity[severity] += tally.bySeverity[severity];
  }
  return sum;
}

/** `2 critical, 10 high; 57 found; 1 cannot be judged` */
export function tallyWords({ bySeverity, violations, found, undetermined }: Tally): string {
  const severities = ruleSeverities.filter((severity) => bySeverity[severity] > 0);
  const parts = [
    severities.map((severity) => `${quantity(bySeverity[severity])} ${severity}`).join(', '),
    violations > 0 && `${quantity(found)} found`,
    undetermined > 0 && `${quantity(undetermined)} cannot be judged`,
  ];
  return parts.filter(Boolean).join('; ') || 'no alerts';
}

export function countsBySeverity(news: readonly AlertNews[]): Record<RuleSeverity, number> {
  const counts = { critical: 0, high: 0, medium: 0, low: 0 };
  for (const { severity } of news) counts[severity] += 1;
  return counts;
}

export function foundIn(news: readonly AlertNews[]): number {
  return tallyOf(news).found;
}

/** Clusters by their alerts of the highest severity, then of the next. */
export function worstClustersFirst(clusters: readonly ClusterNews[]): readonly ClusterNews[] {
  const counted = clusters.map((cluster) => ({ cluster, counts: countsBySeverity(cluster.news) }));
  const compare = (a: Record<RuleSeverity, number>, b: Record<RuleSeverity, number>) =>
    ruleSeverities.map((severity) => b[severity] - a[severity]).find((difference) => difference !== 0) ?? 0;
  return counted.sort((a, b) => compare(a.counts, b.counts)).map(({ cluster }) => cluster);
}
