import type { AlertNews, Notice } from '../notice.ts';
import { slackCode, slackLink, slackText, withColon } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import {
  ageOf,
  briefOf,
  cameIn,
  cameWord,
  causeOf,
  expiredOf,
  goneWord,
  hasReasons,
  isOver,
  isOwn,
  kindOf,
  numbersOf,
  originWords,
} from './news-words.ts';
import { groupText, markOf, standingLine } from './slack-news.ts';
import {
  type Content,
  findingText,
  lengthOf,
  marks,
  reasonLines,
  type Section,
  sectionsWithin,
  shownFindings,
} from './slack-parts.ts';
import { capital, clusterOf, describe, plural, quantity, reportAge, spell } from './words.ts';

type Told = Extract<Notice, { about: 'alerts' }>;

const shownGone = 3;

/** What changed in a cluster. @param budget characters of all texts together */
export function alertsContent(told: Told, budget: number): Content {
  const { id, atMs, news, reportId } = told;
  const title = (name: (text: string) => string) => titleOf(told, name);
  const lead = leadOf(told);
  const ids = [`notice ${slackCode(id, 70)}`, reportId && `report ${slackCode(reportId, 70)}`];
  const footer = [ids.filter(Boolean).join(', ')];
  const left = budget - title((name) => slackText(name, 80)).length - lengthOf([lead]) - lengthOf(footer);
  const { texts, accounts } = sectionsWithin(news, left, {
    least: 640,
    section: (item, max) => itemText(item, atMs, max),
    others: (items, more, max) => othersText(items, more, max),
    account: (item) => ({ rule: item.rule, alert: item.fingerprint, total: changesIn(item) }),
  });
  return { title, headlines: headlines(told), sections: [lead, ...texts], footer, accounts };
}

/** What an item has to name or count: findings that came and went, or reasons. */
function changesIn(item: AlertNews): number {
  return hasReasons(item) ? item.reasons.length : cameIn(item) + item.gone;
}

function titleOf(told: Told, name: (text: string) => string): string {
  const { news, standing } = told;
  const allOver = news.every(({ cause }) => isOver(cause));
  // A green mark must not hide what else stands.
  const others = allOver && standing > 0 ? `, ${quantity(standing)} more stand` : '';
  return `${titleMark(news)} ${withColon(name(clusterOf(told)))} ${briefOf(news, 80)}${others}`;
}

function titleMark(news: readonly AlertNews[]): string {
  if (news.length === 0) return marks.observed;
  const firing = news.filter(({ cause }) => !isOver(cause));
  if (firing.some((item) => !hasReasons(item))) return marks.fail;
  if (firing.length > 0) return marks.undetermined;
  return news.every(({ cause }) => cause === 'resolved') ? marks.resolved : marks.over;
}

/** For the text beside the blocks. */
function headlines({ news, standing, atMs }: Told): readonly string[] {
  const { lines } = fitLines(
    news,
    news.length,
    600,
    (item) =>
      hasReasons(item)
        ? `${capital(causeOf(item))}${ageOf(item, atMs)}${firstReason(item)}`
        : `${slackText(item.rule, 80)} ${causeOf(item)}${expiredText(item)}${ageOf(item, atMs)}: ${numbersOf(item)}`,
    (rest) => `and ${plural(rest, 'more change')}`,
  );
  return [...lines, ...standingLine(standing)];
}

function expiredText(item: AlertNews): string {
  const expired = expiredOf(item, 100, (id) => slackText(id, 64));
  return expired === '' ? '' : ` (${expired})`;
}

function firstReason({ cause, reasons }: AlertNews): string {
  const [first] = reasons;
  return first === undefined || isOver(cause) ? '' : `: ${slackText(first.message, 200)}`;
}

function leadOf({ news, standing, policy, scannedAtMs, atMs, source, cluster, page, isFirstLook }: Told): string {
  const seen = reportAge(scannedAtMs, scannedAtMs === undefined ? undefined : atMs - scannedAtMs);
  const where = [`source ${slackCode(source, 80)}`, cluster.id && `cluster ${slackCode(cluster.id, 80)}`];
  const ofCluster = [`Policy ${slackCode(policy, 80)}, ${seen}`, capital(where.filter(Boolean).join(', '))];
  return [
    `*${capital(briefOf(news, 300))}*`,
    ...(isFirstLook ? [firstLook] : []),
    ...standingLine(standing),
    ...(news.length > 0 && news.every(isOwn) ? ['This is about Portcullis itself, not about a cluster.'] : ofCluster),
    ...(page === undefined ? [] : [slackLink(page, 'The whole result as a page')]),
  ].join('\n');
}

const firstLook =
  '*This is the first look at this cluster, or the memory of earlier runs was lost*: all that fires is told as new.';

/** At least 640 characters suffice for what is always told: the head and the numbers. */
function itemText(item: AlertNews, atMs: number, max: number): Section {
  const { on, cause, group, message, held, reasons, findings, gone, goneFindings } = item;
  const head = [headOf(item, atMs)];
  const room = () => max - lengthOf(head);
  if (Object.keys(group).length > 0) head.push(`For ${groupText(group)}`);
  const expired = expiredOf(item, Math.min(250, Math.max(room() - 170, 64)), (id) => slackCode(id, 64));
  if (expired !== '') head.push(`Expired: ${expired}`);
  if (held !== undefined) head.push(`Still as it was: ${slackText(held, Math.min(300, Math.max(room() - 160, 30)))}`);
  if (message && room() > 600) head.push(`Policy: ${slackText(message, 200)}`);

  if (hasReasons(item)) {
    if (isOver(cause)) return { text: [...head, ...countOnly(reasons.length)].join('\n'), shown: 0 };
    if (kindOf(item) === 'undetermined' && room() > 300) head.push('That is not a pass: nothing more is known of it.');
    const { lines, shown } = reasonLines(reasons, room());
    return { text: [...head, ...lines].join('\n'), shown };
  }

  const came = cameIn(item);
  if (cause === 'worse') head.push(came > 0 ? `${quantity(came)} ${cameWord(item)}:` : worseBy(item));
  const goneHead = gone > 0 ? `${quantity(gone)} ${goneWord(item)}` : '';
  const told = fitLines(
    findings.slice(0, shownFindings),
    came,
    room() - goneHead.length - 2,
    (finding) => findingText(on, finding, finding.origin && ` (${originWords[finding.origin]})`),
    (rest, shown) => (shown > 0 ? `and ${quantity(rest)} more` : `${quantity(rest)} not shown here`),
  );
  const texts = [...head, ...told.lines];
  if (gone === 0) return { text: texts.join('\n'), shown: told.shown };

  const named = fitLines(
    goneFindings.slice(0, shownGone),
    gone,
    Math.min(400, max - lengthOf(texts) - goneHead.length - 2 - shownGone),
    ({ fields }) => spell(describe(on, fields).what, (value) => slackCode(value, 60)),
    (rest) => `and ${quantity(rest)} more`,
  );
  texts.push(named.shown > 0 ? `${goneHead}: ${named.lines.join('; ')}` : goneHead);
  return { text: texts.join('\n'), shown: told.shown + named.shown };
}

/** It got worse without a finding that is known to be new. */
function worseBy({ count, before = count }: AlertNews): string {
  return count > before ? 'Which of them are new is not known.' : 'Its severity is higher than before.';
}

function countOnly(reasons: number): readonly string[] {
  return reasons > 0 ? [`There ${reasons === 1 ? 'was' : 'were'} ${plural(reasons, 'reason')}.`] : [];
}

function headOf(item: AlertNews, atMs: number): string {
  const { rule, severity } = item;
  const cause = `${markOf(item)} *${causeOf(item)}*`;
  if (hasReasons(item)) return `${cause}${ageOf(item, atMs)} (${severity})`;
  return `${cause} ${slackCode(rule, 70)} (${severity})${ageOf(item, atMs)}: ${numbersOf(item)}`;
}

function changesOf(item: AlertNews): string {
  const { cause, count, gone, reasons } = item;
  if (hasReasons(item)) return plural(reasons.length, 'reason');
  const came = cameIn(item);
  return [
    `${quantity(count)} found${isOver(cause) ? ' before' : ''}`,
    came > 0 && `${quantity(came)} ${cameWord(item)}`,
    gone > 0 && `${quantity(gone)} ${goneWord(item)}`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** All that these items have to tell is counted: each one's own number, or the sum for those that have no room either. */
function othersText(items: readonly AlertNews[], more: boolean, max: number): string {
  const sumOf = (some: readonly AlertNews[], areReasons: boolean) =>
    some.reduce((sum, item) => sum + (hasReasons(item) === areReasons ? changesIn(item) : 0), 0);
  const all = { findings: sumOf(items, false), reasons: sumOf(items, true) };
  // Of what is left, by what is not: few are told one by one.
  const counted = (from: number) => {
    const before = items.slice(0, from);
    const came = `${plural(all.findings - sumOf(before, false), 'finding')} came or went`;
    const reasons = all.reasons - sumOf(before, true);
    return reasons > 0 ? `${came}, ${plural(reasons, 'reason')}` : came;
  };
  const title = `*${plural(items.length, more ? 'more alert' : 'alert')}: ${briefOf(items, 120)}; ${counted(0)}*`;
  const { lines } = fitLines(
    items,
    items.length,
    max - title.length - 1,
    (item) => {
      const group = Object.values(item.group).join(' ');
      const names = [item.rule && slackCode(item.rule, 70), group && slackCode(group, 60)].filter(Boolean);
      return `${markOf(item)} ${[causeOf(item), ...names].join(' ')}: ${changesOf(item)}`;
    },
    (rest, shown) => `and ${quantity(rest)} more with ${counted(shown)}`,
  );
  return [title, ...lines].join('\n');
}
