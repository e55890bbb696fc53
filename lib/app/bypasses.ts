import type { Evaluation, Reason } from '../core/evaluation.ts';
import { isoTime } from '../core/render/words.ts';
import type { Outbox } from './outbox.ts';
import { type OwnNewsEdges, tellEach } from './own-news.ts';
import { type StateStore, StoreError } from './state.ts';

/** That an undetermined verdict was let through. */
export interface Bypass {
  /** As it was asked for. */
  readonly cluster: string;
  readonly atMs: number;
  readonly reasons: readonly Reason[];
  /** When a scan told of it first; absent: none did yet. */
  readonly toldMs?: number;
}

const group = 'bypasses';
/** How long a scan that has told of it still does. */
const toldForMs = 86_400_000;
/** Of one cluster at once. */
const mostTold = 20;

/** Write down that a deploy was let through. @throws {StoreError} it could not be, so that it must not be */
export async function bypassed(
  store: StateStore,
  { cluster }: { readonly cluster: string },
  { reasons }: Evaluation,
  nowMs: number,
): Promise<void> {
  const value: Bypass = { cluster, atMs: nowMs, reasons: reasons.slice(0, 10) };
  // It stays until a scan has told of it, however late that comes.
  for (let n = 0; n < 1_000; n++) {
    if ((await store.put(group, { key: `${cluster}/${nowMs}/${n}`, value }, 0, nowMs)) !== undefined) return;
  }
  throw new StoreError('that a deploy was let through could not be written down');
}

/** Tell of deploys that were let through and not told of for a day yet, and when there were no more. */
export async function tellBypasses(edges: OwnNewsEdges, outbox: Outbox, nowMs: number): Promise<void> {
  const { store } = edges;
  const records = (await store.load(group, '', nowMs)).map((record) => ({ ...record, bypass: record.value as Bypass }));
  const current = records.filter(({ bypass }) => nowMs - (bypass.toldMs ?? nowMs) < toldForMs);
  const clusters = [...new Set(current.map(({ bypass }) => bypass.cluster))];
  const reasons = clusters.map((cluster) => {
    const ofCluster = current.map(({ bypass }) => bypass).filter((one) => one.cluster === cluster);
    return [`gate of ${cluster}`, reasonsOf(cluster, ofCluster)] as const;
  });
  await tellEach(edges, outbox, 'gates', new Map(reasons), nowMs);
  // Now that it is an alert, which stays owed until it was heard.
  for (const { key, version, bypass } of records) {
    if (bypass.toldMs !== undefined) continue;
    const value: Bypass = { ...bypass, toldMs: nowMs };
    await store.put(group, { key, value, expiresAtMs: nowMs + 2 * toldForMs }, version, nowMs);
  }
}

/** One for each deploy, the last ones. */
function reasonsOf(cluster: string, bypasses: readonly Bypass[]): readonly Reason[] {
  return bypasses
    .toSorted((a, b) => b.atMs - a.atMs)
    .slice(0, mostTold)
    .map(({ atMs, reasons }) => {
      const why = reasons.map(({ message }) => message).join('; ');
      const message = `a deploy to ${cluster} went through on an undetermined verdict (on-undetermined: pass) at ${isoTime(atMs)}: ${why}`;
      return { kind: 'gate-bypassed', message, of: [message] };
    });
}
