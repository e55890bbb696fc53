import type { Reason } from '../core/evaluation.ts';
import { clusterGroup } from './cluster-state.ts';
import { type FollowEdges, followEvaluation } from './follow.ts';
import { undetermined } from './judge.ts';
import { type Delivered, type Outbox, ourselves } from './outbox.ts';
import type { Notifier } from './ports.ts';
import type { StateStore } from './state.ts';
import type { WatchedSource } from './watched.ts';

interface Health {
  readonly failingRuns: number;
  readonly sinceMs: number;
}

export interface HealthEdges {
  readonly store: StateStore;
  readonly sources: readonly WatchedSource[];
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly options: FollowEdges['options'] & { readonly failingAfterRuns: number };
}

/** How a receiver is named in news about ourselves. */
export function receiverName(receiver: string): string {
  return `receiver ${receiver}`;
}

/**
 * Count the runs in which a receiver took nothing of what it was sent. From `failingAfterRuns` on the other receivers
 * are told, and told again when it takes messages once more.
 *
 * A run that sent nothing to a receiver knows nothing new of it, and still tells what is to be told: an earlier run may
 * have died, or another receiver not have taken the news.
 */
export async function watchReceivers(edges: HealthEdges, outbox: Outbox, nowMs: number): Promise<void> {
  const [first] = edges.sources;
  if (first === undefined) return;
  const { store, options } = edges;
  for (const receiver of edges.notifiers.keys()) {
    const result = outbox.results.get(receiver);
    const record = (await store.load('receivers', receiver, nowMs)).find(({ key }) => key === receiver);
    const before = record?.value as Health | undefined;
    const now = healthAfter(before, result, nowMs);
    if (now === undefined) continue;
    const name = receiverName(receiver);
    const row = { clusterId: name, clusterName: name, scannedAtMs: undefined };
    const judge = { policy: first.policy, nowMs };
    const message = `receiver ${receiver} has taken no message in ${now.failingRuns} runs: ${result?.reason ?? ''}`;
    const reasons: Reason[] = now.failingRuns > 0 ? [{ kind: 'receiver-failing', message }] : [];
    const isKnown = result !== undefined && (now.failingRuns === 0 || now.failingRuns >= options.failingAfterRuns);
    const evaluation = { ...undetermined({ id: name, name }, reasons, judge), reasons, rules: [] };
    const group = clusterGroup(ourselves, name);
    const followed = await followEvaluation(group, row, isKnown ? evaluation : undefined, judge, edges);
    outbox.tell(ourselves, followed, first.policy);
    if (now !== before) await store.put('receivers', { key: receiver, value: now }, record?.version ?? 0, nowMs);
  }
}

/** @returns undefined: it never failed; `before` itself: nothing is known that is new */
function healthAfter(before: Health | undefined, result: Delivered | undefined, nowMs: number): Health | undefined {
  if (result !== undefined && result.accepted === 0 && result.refused > 0) {
    const { failingRuns = 0, sinceMs = nowMs } = before ?? {};
    return { failingRuns: failingRuns + 1, sinceMs: failingRuns === 0 ? nowMs : sinceMs };
  }
  const isBack = result !== undefined && before !== undefined && before.failingRuns > 0;
  return isBack ? { failingRuns: 0, sinceMs: nowMs } : before;
}
