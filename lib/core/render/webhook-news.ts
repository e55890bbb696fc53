import type { AlertNews, ClusterNews, Notice } from '../notice.ts';
import { findingEntry, groupEntry, reasonEntry } from './json.ts';
import { cameIn, countsBySeverity, foundIn, hasReasons, isOver, kindOf, worstClustersFirst } from './news-words.ts';
import { type Room, shortName } from './room.ts';
import type { AlertEntry, AlertsDocument, ClusterEntry, DigestDocument } from './webhook-schema.ts';
import { isoTime } from './words.ts';

/** What changed in one cluster, as far as there is room. */
export function alertsPart(told: ClusterNews, room: Room): Omit<AlertsDocument, keyof Head> {
  const part = { told, cluster: clusterEntry(told), kept: new Map<AlertNews, AlertEntry>() };
  room(part.cluster);
  fill([part], room);
  return filled(part);
}

/** What stands in several clusters, as far as there is room: the worst clusters, and of each its most urgent alerts. */
export function digestPart(told: Extract<Notice, { about: 'digest' }>, room: Room): Omit<DigestDocument, keyof Head> {
  const parts = worstClustersFirst(told.clusters).map((one) => ({
    told: one,
    cluster: clusterEntry(one),
    kept: new Map(one.news.slice(0, 1).map((item) => [item, alertEntry(item)])),
  }));
  const kept = parts.filter(({ cluster, kept: first }) => room([cluster, ...first.values()]));
  fill(kept, room);
  const listed = new Set(kept);
  const without = parts.filter((part) => !listed.has(part)).flatMap((part) => part.told.news);
  const left_out = { clusters: parts.length - kept.length, alerts: without.length, findings: foundIn(without) };
  return { why: told.why, clusters: kept.map(filled), left_out };
}

/** A cluster, and its alerts that have room. */
interface Part {
  readonly told: ClusterNews;
  readonly cluster: ClusterEntry;
  readonly kept: Map<AlertNews, AlertEntry>;
}

type Head = Pick<AlertsDocument, 'version' | 'id' | 'at' | 'source' | 'type'>;

/** With nothing in it: all is counted, and no number can become longer. */
function clusterEntry({ cluster, policy, scannedAtMs, reportId, page, news, standing }: ClusterNews): ClusterEntry {
  return {
    cluster: { id: shortName(cluster.id), name: shortName(cluster.name) },
    policy: shortName(policy),
    report: { id: shortName(reportId), scanned_at: isoTime(scannedAtMs) },
    ...(page !== undefined && { page }),
    counts: countsBySeverity(news),
    standing,
    alerts: [],
    left_out: { alerts: news.length, findings: foundIn(news) },
  };
}

/** The first alert of each cluster before the second of any; then of each alert its first detail, and so on. */
function fill(parts: readonly Part[], room: Room): void {
  for (const [kept, item] of inTurn(parts.map(({ told, kept }) => told.news.map((item) => [kept, item] as const)))) {
    if (kept.has(item)) continue;
    const entry = alertEntry(item);
    if (room(entry)) kept.set(item, entry);
  }
  const entries = parts.flatMap(({ kept }) => [...kept]);
  for (const add of inTurn(entries.map(([item, entry]) => details(item, entry)))) add(room);
}

function filled({ told: { news }, cluster, kept }: Part): ClusterEntry {
  const without = news.filter((item) => !kept.has(item));
  const alerts = news.flatMap((item) => kept.get(item) ?? []);
  return { ...cluster, alerts, left_out: { alerts: without.length, findings: foundIn(without) } };
}

/** With nothing in it: all is counted. */
function alertEntry(item: AlertNews): AlertEntry {
  const { fingerprint, cause, rule, on, severity, group, message, count, max, waived, before } = item;
  const { key } = groupEntry(on, { key: group, count, waived });
  const short = Object.entries(key).map(([field, value]) => [
    field,
    typeof value === 'string' ? shortName(value, 256) : value,
  ]);
  return {
    fingerprint,
    kind: kindOf(item),
    cause,
    state: isOver(cause) ? 'over' : 'firing',
    rule: hasReasons(item) ? null : shortName(rule),
    on,
    severity,
    group: Object.fromEntries(short),
    ...(message !== undefined && { message: shortName(message, 1000) }),
    count,
    max,
    waived,
    before: before ?? null,
    ...(item.risen !== undefined && { risen: item.risen }),
    ...(item.expired !== undefined && {
      expired_waivers: item.expired.waivers.slice(0, 10).map((id) => shortName(id, 64)),
      expired_waivers_omitted: item.expired.omitted + Math.max(0, item.expired.waivers.length - 10),
    }),
    ...(item.wasSilenced !== undefined && { was_silenced: item.wasSilenced }),
    since: isoTime(item.sinceMs),
    over_at: isoTime(item.overMs),
    held: item.held === undefined ? null : shortName(item.held),
    findings: [],
    omitted: cameIn(item),
    gone_findings: [],
    gone_omitted: item.gone,
    reasons: [],
    reasons_omitted: item.reasons.length,
  };
}

/** What can be added to an entry, the most telling first. */
function details(item: AlertNews, entry: AlertEntry): ((room: Room) => void)[] {
  const reasons = item.reasons.map((reason) => (room: Room) => {
    const added = reasonEntry(reason);
    if (!room(added)) return;
    entry.reasons.push(added);
    entry.reasons_omitted -= 1;
  });
  const findings = item.findings.map((finding) => (room: Room) => {
    const added = { ...findingEntry(item.on, finding), origin: finding.origin ?? null };
    if (!room(added)) return;
    entry.findings.push(added);
    entry.omitted -= 1;
  });
  const gone = item.goneFindings.map((finding) => (room: Room) => {
    const added = findingEntry(item.on, finding);
    if (!room(added)) return;
    entry.gone_findings.push(added);
    entry.gone_omitted -= 1;
  });
  return [...reasons, ...findings, ...gone];
}

/** The first of each list, then the second of each, and so on. */
function* inTurn<T>(lists: readonly (readonly T[])[]): Generator<T> {
  const depth = lists.reduce((max, { length }) => Math.max(max, length), 0);
  for (let i = 0; i < depth; i++) {
    for (const list of lists) if (i < list.length) yield list[i] as T;
  }
}
