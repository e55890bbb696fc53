import type { Evaluation, Reason } from '../core/evaluation.ts';
import { isoTime } from '../core/render/words.ts';
import type { Outbox } from './outbox.ts';
import { type OwnNewsEdges, tellEach } from './own-news.ts';
import type { StateStore } from './state.ts';

/** That an undetermined verdict was let through. */
export interface Bypass {
  /** As it was asked for. */
  readonly cluster: string;
  readonly atMs: number;
  readonly reasons: readonly Reason[];
}

const group = 'bypasses';
/** How long a scan tells of it. */
const toldForMs = 86_400_000;

/** Write down that a deploy was let through. @throws {StoreError} it could not be, so that it must not be */
export async function bypassed(
  store: StateStore,
  { cluster }: { readonly cluster: string },
  { reasons }: Evaluation,
  nowMs: number,
): Promise<void> {
  const value: Bypass = { cluster, atMs: nowMs, reasons: reasons.slice(0, 10) };
  for (let n = 0; n < 100; n++) {
    const record = { key: `${cluster}/${nowMs}/${n}`, value, expiresAtMs: nowMs + toldForMs };
    if ((await store.put(group, record, 0, nowMs)) !== undefined) return;
  }
}

/** Tell of deploys that were let through in the last day, and when there were no more. */
export async function tellBypasses(edges: OwnNewsEdges, outbox: Outbox, nowMs: number): Promise<void> {
  const bypasses = (await edges.store.load(group, '', nowMs)).map(({ value }) => value as Bypass);
  const clusters = [...new Set(bypasses.map(({ cluster }) => cluster))];
  const reasons = clusters.map((cluster) => {
    const ofCluster = bypasses.filter((one) => one.cluster === cluster);
    return [`gate of ${cluster}`, reasonsOf(cluster, ofCluster)] as const;
  });
  await tellEach(edges, outbox, 'gates', new Map(reasons), nowMs);
}

function reasonsOf(cluster: string, bypasses: readonly Bypass[]): readonly Reason[] {
  const last = bypasses.toSorted((a, b) => a.atMs - b.atMs).at(-1);
  if (last === undefined) return [];
  const times = bypasses.length === 1 ? 'a deploy' : `${bypasses.length} deploys`;
  const why = last.reasons.map(({ message }) => message).join('; ');
  const message = `${times} to ${cluster} went through on an undetermined verdict (on-undetermined: pass), the last at ${isoTime(last.atMs)}: ${why}`;
  return [{ kind: 'gate-bypassed', message }];
}
