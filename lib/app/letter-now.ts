import { isOfDigest, type Owed, owe } from '../core/deliveries.ts';
import { newsOf } from '../core/news.ts';
import type { AlertNews, ClusterNews, Notice } from '../core/notice.ts';
import type { DeliveryLog, GivenUp, Told } from '../core/told.ts';
import { clusterGroup, type LogRecord, loadCluster } from './cluster-state.ts';
import type { DeadLetter } from './dead-letter-store.ts';
import type { StateStore } from './state.ts';

/** The log of a cluster in which it is to be written down what was told. */
export interface LogToWrite {
  readonly group: string;
  readonly owed: Owed;
  /** As it was read, and its version. */
  readonly record: LogRecord;
  readonly version: number;
}

interface Part {
  readonly news: ClusterNews;
  /** Absent: nothing of it is to be written down. */
  readonly log: LogToWrite | undefined;
  /** The receiver has heard of nothing that is remembered of the cluster. */
  readonly isFirst: boolean;
}

/**
 * What a dead letter tells, as it is now, to somebody who has heard what the logs say.
 * @returns undefined: nothing of it is owed any more
 */
export async function letterNow(
  store: StateStore,
  letter: DeadLetter,
  nowMs: number,
): Promise<{ readonly notice: Notice; readonly logs: readonly LogToWrite[] } | undefined> {
  const { notice } = letter;
  const parts: Part[] = [];
  for (const told of notice.about === 'alerts' ? [notice] : notice.clusters) {
    const part = await clusterNow(store, letter, told, nowMs);
    if (part !== undefined) parts.push(part);
  }
  const [first] = parts;
  if (first === undefined) return undefined;
  const logs = parts.flatMap(({ log }) => log ?? []);
  if (notice.about === 'digest')
    return { notice: { ...notice, atMs: nowMs, clusters: parts.map(({ news }) => news) }, logs };
  const isFirstLook = notice.isFirstLook === true && first.isFirst;
  const { id, source } = notice;
  return {
    notice: { id, source, atMs: nowMs, about: 'alerts', ...(isFirstLook && { isFirstLook }), ...first.news },
    logs,
  };
}

async function clusterNow(
  store: StateStore,
  letter: DeadLetter,
  told: ClusterNews,
  nowMs: number,
): Promise<Part | undefined> {
  const { notice, receiver } = letter;
  const group = clusterGroup(notice.source, told.cluster.id);
  const { head, alerts: records, logs } = await loadCluster(store, group, nowMs);
  const { value: record = {}, version = 0 } = logs.get(receiver) ?? {};
  const heard = withGivenUp({ told: {}, ...record }, told.news, letter.atMs);
  const alerts = [...records.values()].map(({ value }) => value);
  const owedOf = (again: ReadonlySet<string>) => owe(group, receiver, alerts, heard, { ...byHand, again }, nowMs);
  const all = owedOf(new Set(told.news.map(({ fingerprint }) => fingerprint)));
  // Ends, and what is new, are in messages of their own.
  const owed =
    notice.about === 'alerts'
      ? all
      : owedOf(new Set(all?.items.filter(isOfDigest).map(({ alert }) => alert.fingerprint)));
  const items = owed?.items ?? [];
  const isOfNumbers = told.news.length === 0;
  const knows = ({ state, unsaid, isQuiet }: Partial<Told> = {}) =>
    state === 'firing' && unsaid === undefined && (isQuiet === true || !isOfNumbers);
  const now = newsOf(items, {
    cluster: told.cluster,
    policy: told.policy,
    reportId: head?.value.reportId ?? told.reportId,
    scannedAtMs: head?.value.scannedAtMs ?? told.scannedAtMs,
    alerts: alerts.filter(({ fingerprint }) => knows(heard.told[fingerprint])),
    messages: new Map(told.news.flatMap(({ rule, message }) => (message === undefined ? [] : [[rule, message]]))),
  });
  // Of an end that is forgotten since it is known that it was one.
  const forgotten = told.news.filter(({ fingerprint, overMs }) => overMs !== undefined && !records.has(fingerprint));
  const news = { ...now, news: [...now.news, ...forgotten] };
  const isWritten = record.told !== undefined && items.length > 0;
  const log = owed !== undefined && isWritten ? { group, owed, record, version } : undefined;
  const part = { news, log, isFirst: Object.keys(heard.told).length === 0 };
  if (news.news.length > 0) return part;
  if (!isOfNumbers) return undefined;
  // That nothing stands is so as long as nothing fires.
  const isNothing = told.standing === 0 && !alerts.some(({ state, rule }) => state === 'firing' && rule !== '');
  return isNothing || (told.standing > 0 && news.standing > 0) ? part : undefined;
}

/** What is asked for by hand is told past routes and silences. */
const byHand = {
  announce: 'all',
  remindMs: { critical: 0, high: 0, medium: 0, low: 0 },
  isReposted: true,
  wants: () => true,
  silencedUntilMs: () => undefined,
} as const;

/** A log in which what was given up is written down as if it was told: letters of earlier versions are of such. */
function withGivenUp(log: LogRecord & DeliveryLog, news: readonly AlertNews[], givenUpMs: number) {
  const told: Record<string, Told> = { ...log.told };
  const givenUp: Record<string, GivenUp> = { ...log.givenUp };
  for (const { fingerprint, cause, before, count, overMs } of news) {
    const now = told[fingerprint];
    if (now?.atMs !== givenUpMs || givenUp[fingerprint] !== undefined) continue;
    givenUp[fingerprint] = { ...now, cause };
    if (before === undefined && overMs === undefined) delete told[fingerprint];
    else told[fingerprint] = { ...now, state: 'firing', count: before ?? count, atMs: givenUpMs - 1 };
  }
  return { ...log, told, givenUp };
}
