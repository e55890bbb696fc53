import type { Alert } from '../core/alerts.ts';
import { DeliveryError, InputError } from '../core/errors.ts';
import { alertNews } from '../core/news.ts';
import type { AlertNews, ClusterNews, Notice } from '../core/notice.ts';
import { hint } from '../core/suggest.ts';
import { clusterGroup, loadCluster } from './cluster-state.ts';
import { type DeadLetter, deadLetters } from './dead-letter-store.ts';
import { type Packed, packed, unpacked } from './packed.ts';
import type { Notifier } from './ports.ts';
import type { StateStore, StoredRecord } from './state.ts';

/** What became of dead letters that were to be sent once more. */
export interface Replayed {
  readonly delivered: number;
  /** Messages of which nothing is so any more: they are gone, and were not sent. */
  readonly outdated: number;
  /** What could not be delivered, in sentences. */
  readonly failures: readonly string[];
}

/** How long whoever sends a letter keeps others from it; beyond that it is taken for dead. */
const claimMs = 5 * 60_000;

/**
 * Send dead letters once more, with the ids they had; those that are taken are gone. Alerts are told as they are now. What the
 * receiver has heard of since is left out, and what is over must not look as if it fired.
 * @param ids of messages; none: all
 * @throws {InputError} there is no letter of an id
 */
export async function replayDeadLetters(
  store: StateStore,
  notifiers: ReadonlyMap<string, Notifier>,
  ids: readonly string[],
  nowMs: number,
): Promise<Replayed> {
  const failures: string[] = [];
  let [delivered, outdated] = [0, 0];
  for (const { key, version, letter } of await chosen(store, ids, nowMs)) {
    const { receiver, notice, claimedUntilMs = 0 } = letter;
    const failed = (why: string) => failures.push(`${notice.id}: ${why}`);
    const isClaimed = claimedUntilMs > nowMs && claimedUntilMs <= nowMs + 2 * claimMs;
    const claim = { key, value: packed({ ...letter, claimedUntilMs: nowMs + claimMs }) };
    const claimed = isClaimed ? undefined : await store.put(deadLetters, claim, version, nowMs);
    if (claimed === undefined) {
      failed('somebody else is sending it');
      continue;
    }
    const now = await stillSo(store, letter, nowMs);
    const notifier = notifiers.get(receiver);
    try {
      if (now !== undefined && notifier === undefined)
        throw new InputError(`there is no receiver ${receiver} in the config any more`);
      if (now !== undefined) await notifier?.deliver(now, nowMs);
    } catch (error) {
      await store.put(deadLetters, { key, value: packed(letter) }, claimed, nowMs);
      if (!(error instanceof DeliveryError) && !(error instanceof InputError)) throw error;
      failed(error.message);
      continue;
    }
    if (now === undefined) outdated++;
    else delivered++;
    await store.remove(deadLetters, key, claimed);
  }
  return { delivered, outdated, failures };
}

/** Throw dead letters away. @param ids of messages @returns how many @throws {InputError} there is no letter of an id */
export async function discardDeadLetters(store: StateStore, ids: readonly string[], nowMs: number): Promise<number> {
  let gone = 0;
  for (const { key, version } of await chosen(store, ids, nowMs))
    if (await store.remove(deadLetters, key, version)) gone++;
  return gone;
}

interface Chosen extends Pick<StoredRecord, 'key' | 'version'> {
  readonly letter: DeadLetter;
}

async function chosen(store: StateStore, ids: readonly string[], nowMs: number): Promise<readonly Chosen[]> {
  const records = await store.load(deadLetters, '', nowMs);
  const letters = records.map(({ key, version, value }) => ({
    key,
    version,
    letter: unpacked(value as DeadLetter | Packed),
  }));
  const known = letters.map(({ letter }) => letter.notice.id);
  for (const id of ids)
    if (!known.includes(id)) throw new InputError(`there is no dead letter ${id}${hint(id, known)}`);
  return letters.filter(({ letter }) => ids.length === 0 || ids.includes(letter.notice.id));
}

/** A message as far as it is so still. @returns undefined: nothing of it is */
async function stillSo(
  store: StateStore,
  { notice, receiver, atMs }: DeadLetter,
  nowMs: number,
): Promise<Notice | undefined> {
  const nowOf = async (news: ClusterNews) => {
    const { alerts, logs } = await loadCluster(store, clusterGroup(notice.source, news.cluster.id), nowMs);
    const told = logs.get(receiver)?.value.told ?? {};
    return newsStillSo(
      news,
      new Map([...alerts].map(([fingerprint, { value }]) => [fingerprint, value])),
      (fingerprint) => (told[fingerprint]?.atMs ?? 0) > atMs,
    );
  };
  if (notice.about === 'alerts') {
    const now = await nowOf(notice);
    return now && { ...notice, ...now };
  }
  const clusters: ClusterNews[] = [];
  for (const cluster of notice.clusters) {
    const now = await nowOf(cluster);
    if (now !== undefined) clusters.push(now);
  }
  return clusters.length === 0 ? undefined : { ...notice, clusters };
}

/** @param isHeard whether the receiver has heard of an alert since */
function newsStillSo(
  { cluster, policy, scannedAtMs, reportId, standing, news }: ClusterNews,
  alerts: ReadonlyMap<string, Alert>,
  isHeard: (fingerprint: string) => boolean,
): ClusterNews | undefined {
  const left = news.flatMap((one) =>
    isHeard(one.fingerprint) ? [] : (itemStillSo(one, alerts.get(one.fingerprint)) ?? []),
  );
  // What was told by its number only is there as long as so many fire.
  const firing = [...alerts.values()].filter(({ state, rule }) => state === 'firing' && rule !== '').length;
  const counted = news.length === 0 ? Math.min(standing, firing) : standing;
  // That nothing stands is so as long as nothing fires.
  const isNothing = news.length === 0 && standing === 0 && firing === 0;
  if (left.length === 0 && (news.length > 0 || counted === 0) && !isNothing) return undefined;
  return { cluster, policy, scannedAtMs, reportId, standing: counted, news: left };
}

/** What is told of an alert, as it is now. @returns undefined: it is over since, or came back, which is other news */
function itemStillSo(news: AlertNews, alert: Alert | undefined): AlertNews | undefined {
  if (news.overMs !== undefined) {
    const isSame = alert === undefined || (alert.state === 'over' && alert.overMs === news.overMs);
    return isSame ? news : undefined;
  }
  if (alert?.state !== 'firing' || alert.sinceMs !== news.sinceMs || alert.backMs !== news.backMs) return undefined;
  const isThere = ({ fingerprint }: AlertNews['findings'][number]) =>
    alert.worst.some((one) => one.fingerprint === fingerprint);
  if (alert.count === news.count && news.findings.every(isThere)) return news;
  const messages = new Map(news.message === undefined ? [] : [[news.rule, news.message]]);
  const { severitiesBefore = [] } = news;
  // Of what it knew something else of it hears how it is.
  const cause = news.before === undefined ? news.cause : 'reminder';
  return alertNews({ alert, cause, told: undefined, severitiesBefore }, messages);
}
