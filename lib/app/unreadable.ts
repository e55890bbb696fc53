import type { Reason } from '../core/evaluation.ts';
import type { Outbox } from './outbox.ts';
import { type OwnNewsEdges, tellEach } from './own-news.ts';

const group = 'unreadable';

/**
 * Tell of clusters whose memory could not be read or written in this run and the one before: once alone may be chance.
 * @param reasons by name of the cluster
 * @param isWhole whether all clusters were looked at
 */
export async function tellUnreadable(
  edges: OwnNewsEdges,
  outbox: Outbox,
  source: string,
  reasons: ReadonlyMap<string, Reason>,
  nowMs: number,
  isWhole: boolean,
): Promise<void> {
  const record = (await edges.store.load(group, source, nowMs)).find(({ key }) => key === source);
  if (record === undefined && reasons.size === 0) return;
  const before = (record?.value as readonly string[] | undefined) ?? [];
  const again = [...reasons].filter(([name]) => before.includes(name));
  const told = new Map(again.map(([name, reason]) => [`memory of ${name}`, [reason]]));
  await tellEach(edges, outbox, `memory/${source}`, told, nowMs, isWhole);
  const now = [...new Set([...(isWhole ? [] : before), ...reasons.keys()])];
  if (JSON.stringify(now) !== JSON.stringify(before))
    await edges.store.put(group, { key: source, value: now }, record?.version ?? 0, nowMs);
}
