import { formatDuration } from '../duration.ts';
import type { AlertNews, ClusterNews, Notice } from '../notice.ts';
import { slackCode, slackLink, slackText, withColon } from './escape.ts';
import { fitLines } from './fit-lines.ts';
import {
  ageOf,
  causeOf,
  hasReasons,
  numbersOf,
  silencedOf,
  sumOf,
  type Tally,
  tallyOf,
  tallyWords,
  worstClustersFirst,
} from './news-words.ts';
import { groupText, markOf, standingLine } from './slack-news.ts';
import { type Content, lengthOf, marks, type Section, sectionsWithin } from './slack-parts.ts';
import { capital, clusterOf, minuteOf, plural, quantity, reportAge } from './words.ts';

type Told = Extract<Notice, { about: 'digest' }>;

const shownAlerts = 8;

/** A cluster and what there is of it in numbers: of many alerts they are counted once. */
interface Counted {
  readonly told: ClusterNews;
  readonly tally: Tally;
  /** Alerts that stand at the first look and are told by their number only. */
  readonly uncalled: number;
}

/** What stands in several clusters. @param budget characters of all texts together */
export function digestContent(told: Told, budget: number): Content {
  const { id, atMs, why } = told;
  const counted = worstClustersFirst(told.clusters).map((one) => ({
    told: one,
    tally: tallyOf(one.news),
    uncalled: why === 'first' ? one.standing : 0,
  }));
  const hasAlerts = (one: Counted) => one.tally.alerts + one.uncalled > 0;
  const clusters = counted.filter(hasAlerts);
  const without = counted.filter((one) => !hasAlerts(one));
  const tally = sumOf(clusters.map((one) => one.tally));
  const title = titleOf(why, counted.length, tally, sumUncalled(clusters));
  const lead = [leadOf(told, tally, clusters), ...withoutAlerts(without)].join('\n');
  const footer = [`notice ${slackCode(id, 70)}`];
  const { texts, accounts } = sectionsWithin(clusters, budget - title.length - lengthOf([lead]) - lengthOf(footer), {
    least: 500,
    section: (cluster, max) => clusterText(cluster, atMs, max),
    others: othersText,
    account: ({ told: { cluster, news } }) => accountOf(cluster, news.length),
  });
  const none = without.map(({ told: { cluster } }) => ({ ...accountOf(cluster, 0), shown: 0, counted: 0 }));
  return {
    title: () => title,
    headlines: headlines(clusters),
    sections: [lead, ...texts],
    footer,
    accounts: [...accounts, ...none],
  };
}

function titleOf(why: Told['why'], clusters: number, tally: Tally, uncalled: number): string {
  const alerts = tally.alerts + uncalled;
  const of = plural(clusters, 'cluster');
  if (why === 'reminder') return `${markOfAll(tally)} Still there: ${plural(alerts, 'alert')} in ${of}`;
  const stand = alerts === 0 ? 'nothing to tell' : `${plural(alerts, 'alert')} ${alerts === 1 ? 'stands' : 'stand'}`;
  return `${markOfAll(tally)} First look at ${of}: ${stand}`;
}

function accountOf({ id, name }: ClusterNews['cluster'], total: number) {
  return { cluster: id || name, total };
}

/** Never green: who is told of nothing may not be told of all there is. */
function markOfAll({ alerts, violations }: Tally): string {
  if (violations > 0) return marks.fail;
  return alerts > 0 ? marks.undetermined : marks.observed;
}

function leadOf({ why, clusters, atMs, source }: Told, tally: Tally, counted: readonly Counted[]): string {
  const told =
    why === 'first'
      ? [
          '*This is the first look at these clusters, or the memory of earlier runs was lost*',
          `${whatStands(clusters, tally)} From now on only changes are told.`,
        ]
      : ['*Told before, and still there*', ...oldest(clusters, tally, atMs)];
  return [...told, capital(inNumbers(counted)), `Source ${slackCode(source, 80)}`].join('\n');
}

function whatStands(clusters: readonly ClusterNews[], { alerts }: Tally): string {
  if (clusters.some(({ standing }) => standing > 0))
    return 'What stands is counted once, here, as this receiver asks for (`announce: baseline`).';
  const past = 'What was told of these clusters before and is not here is over, silenced, or told elsewhere.';
  return alerts === 0
    ? `Nothing stands that this receiver is to be told of now. ${past}`
    : `What stands is told once, here, whenever it began. ${past}`;
}

function oldest(clusters: readonly ClusterNews[], { alerts }: Tally, atMs: number): readonly string[] {
  if (alerts === 0) return [];
  let sinceMs = atMs;
  for (const { news } of clusters) for (const item of news) sinceMs = Math.min(sinceMs, item.backMs ?? item.sinceMs);
  const age = formatDuration(atMs - sinceMs);
  return [`${alerts === 1 ? 'It has' : 'The oldest has'} fired since ${minuteOf(sinceMs) ?? '?'}, for ${age}`];
}

/** `12 alerts: 2 critical, 10 high; 57 found`, and how many there are besides that are not named. */
function inNumbers(clusters: readonly Counted[]): string {
  const tally = sumOf(clusters.map((one) => one.tally));
  const named = tally.alerts > 0 && `${plural(tally.alerts, 'alert')}: ${tallyWords(tally)}`;
  return withUncalled(named, sumUncalled(clusters));
}

function wordsOf({ tally, uncalled }: Counted): string {
  return withUncalled(tally.alerts > 0 && tallyWords(tally), uncalled);
}

function withUncalled(named: string | false, uncalled: number): string {
  return [named, uncalled > 0 && plural(uncalled, 'standing alert')].filter(Boolean).join('; ') || 'no alerts';
}

function sumUncalled(clusters: readonly Counted[]): number {
  return clusters.reduce((sum, { uncalled }) => sum + uncalled, 0);
}

/** `Nothing to tell of prod-eu, staging, 3 more` */
function withoutAlerts(clusters: readonly Counted[]): readonly string[] {
  if (clusters.length === 0) return [];
  const { lines } = fitLines(
    clusters,
    clusters.length,
    300,
    (one) => slackCode(clusterOf(one.told), 60),
    (rest) => `${quantity(rest)} more`,
  );
  return [`Nothing to tell of ${lines.join(', ')}`];
}

/** For the text beside the blocks. */
function headlines(clusters: readonly Counted[]): readonly string[] {
  const { lines } = fitLines(
    clusters,
    clusters.length,
    600,
    (one) => `${withColon(slackText(clusterOf(one.told), 80))} ${wordsOf(one)}`,
    (rest, shown) => `and ${plural(rest, 'more cluster')} with ${inNumbers(clusters.slice(shown))}`,
  );
  return lines;
}

/** At least 500 characters suffice for what is always told: the head and the numbers. */
function clusterText(one: Counted, atMs: number, max: number): Section {
  const { told, tally } = one;
  const { news, policy, scannedAtMs, standing, page } = told;
  const seen = reportAge(scannedAtMs, scannedAtMs === undefined ? undefined : atMs - scannedAtMs);
  const head = [
    `${markOfAll(tally)} ${slackCode(clusterOf(told), 80)} ${wordsOf(one)}`,
    `Policy ${slackCode(policy, 80)}, ${seen}`,
  ];
  // As long as it leaves room for what is always told.
  const link = page === undefined ? '' : slackLink(page, 'The whole result as a page');
  if (link !== '' && link.length + 500 <= max) head.push(link);
  const foot = standingLine(standing - one.uncalled);
  const found = (from: number) => quantity(tally.found - tallyOf(news.slice(0, from)).found);
  const { lines, shown } = fitLines(
    news.slice(0, shownAlerts),
    news.length,
    max - lengthOf([...head, ...foot]),
    (item) => alertLine(item, atMs),
    (rest, from) => `and ${plural(rest, 'more alert')} with ${found(from)} found`,
  );
  return { text: [...head, ...lines, ...foot].join('\n'), shown };
}

function alertLine(item: AlertNews, atMs: number): string {
  const { rule, severity, group, reasons, held } = item;
  const mark = `• ${markOf(item)}`;
  if (hasReasons(item)) {
    const why = reasons[0] === undefined ? '' : `: ${slackCode(reasons[0].kind, 40)}${andMore(reasons.length - 1)}`;
    return `${mark} ${capital(causeOf(item))}${ageOf(item, atMs)}${why}`;
  }
  const at = Object.keys(group).length > 0 ? ` for ${groupText(group)}` : '';
  const as = held === undefined ? '' : ` (still as it was: ${slackCode(held, 40)})`;
  return `${mark} ${slackCode(rule, 70)} (${severity})${ageOf(item, atMs)}${silencedOf(item)}: ${numbersOf(item)}${at}${as}`;
}

function andMore(reasons: number): string {
  return reasons > 0 ? ` and ${plural(reasons, 'more reason')}` : '';
}

/** All alerts and findings of these clusters are counted: each cluster's own numbers, or the sum. */
function othersText(clusters: readonly Counted[], more: boolean, max: number): string {
  const title = `*${plural(clusters.length, more ? 'more cluster' : 'cluster')}: ${inNumbers(clusters)}*`;
  const { lines } = fitLines(
    clusters,
    clusters.length,
    max - title.length - 1,
    (one) => `${markOfAll(one.tally)} ${slackCode(clusterOf(one.told), 70)} ${inNumbers([one])}`,
    (rest, shown) => `and ${quantity(rest)} more with ${inNumbers(clusters.slice(shown))}`,
  );
  return [title, ...lines].join('\n');
}
