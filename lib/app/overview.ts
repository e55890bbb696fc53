import type { Alert } from '../core/alerts.ts';
import { clusterGroup, type LogRecord, loadCluster } from './cluster-state.ts';
import { knownClusters } from './known-clusters.ts';
import { ourselves } from './outbox.ts';
import type { StateStore } from './state.ts';

/** What is remembered of one cluster. */
export interface ClusterOverview {
  readonly source: string;
  readonly clusterName: string;
  readonly alerts: readonly Alert[];
  /** By receiver. */
  readonly logs: ReadonlyMap<string, LogRecord>;
}

/** What is remembered of all clusters of the sources, of the sources themselves and of ourselves. */
export async function overview(
  store: StateStore,
  sources: readonly string[],
  receivers: readonly string[],
  nowMs: number,
): Promise<readonly ClusterOverview[]> {
  const found: ClusterOverview[] = [];
  const add = async (source: string, clusterId: string, clusterName: string) => {
    const { alerts, logs } = await loadCluster(store, clusterGroup(source, clusterId), nowMs);
    if (alerts.size === 0 && logs.size === 0) return;
    found.push({
      source,
      clusterName,
      alerts: [...alerts.values()].map(({ value }) => value),
      logs: new Map([...logs].map(([receiver, { value }]) => [receiver, value])),
    });
  };
  for (const source of sources) {
    await add(source, '', `source ${source}`);
    for (const { clusterId, clusterName } of await knownClusters(store, source, nowMs))
      await add(source, clusterId, clusterName);
  }
  for (const receiver of receivers) await add(ourselves, `receiver ${receiver}`, `receiver ${receiver}`);
  return found;
}
