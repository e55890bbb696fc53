import { InputError } from '../core/errors.ts';
import type { EvaluateOptions } from '../core/evaluate.ts';
import type { Evaluation, Reason } from '../core/evaluation.ts';
import type { ClusterRow } from '../core/report.ts';
import { hint } from '../core/suggest.ts';
import { judgeCluster, undetermined } from './judge.ts';
import { undeterminedBy } from './out-of-time.ts';
import type { ReportReader } from './ports.ts';
import { isWanted, type WatchedSource } from './watched.ts';

export interface GateRequest {
  /** Name or id. */
  readonly cluster: string;
  /** Absent: all sources are looked through. */
  readonly source?: string | undefined;
  readonly options?: EvaluateOptions | undefined;
}

export interface GateEdges {
  readonly sources: readonly WatchedSource[];
  readonly readReport: ReportReader;
}

/**
 * The verdict on the newest report of a cluster.
 * @throws {InputError} no such source; a name that several clusters have
 */
export async function gate(
  request: GateRequest,
  edges: GateEdges,
  nowMs: number,
  signal?: AbortSignal,
): Promise<Evaluation> {
  const sources = chooseSources(request.source, edges.sources);
  const found: { source: WatchedSource; row: ClusterRow }[] = [];
  const reasons: Reason[] = [];
  const names: string[] = [];
  await Promise.all(
    sources.map(async (source) => {
      try {
        const { clusters } = await source.reports.list(signal);
        names.push(...clusters.filter((row) => isWanted(row, source)).map((row) => row.clusterName));
        // An id is exact; a name may be that of several clusters.
        const byId = clusters.filter((row) => row.clusterId === request.cluster);
        const rows = byId.length > 0 ? byId : clusters.filter((row) => row.clusterName === request.cluster);
        found.push(...rows.map((row) => ({ source, row })));
      } catch (error) {
        reasons.push(undeterminedBy(error, source.name, signal).reason);
      }
    }),
  );
  const judgeBy = ({ policy }: WatchedSource) => ({
    policy,
    nowMs,
    readReport: edges.readReport,
    ...(request.options && { options: request.options }),
  });
  const [only] = found;
  const first = sources[0] as WatchedSource;
  if (found.length > 1) throw new InputError(ambiguous(request.cluster, found));
  if (only === undefined) {
    const absent: Reason = {
      kind: 'cluster-absent',
      message: `cluster ${request.cluster}: no report list of ${sources.map((s) => s.name).join(', ')} names it${hint(request.cluster, names.sort())}`,
    };
    // Where a source could not be looked at, the cluster may well be there.
    return undetermined({ name: request.cluster }, reasons.length > 0 ? reasons : [absent], judgeBy(first));
  }
  if (!isWanted(only.row, only.source)) {
    const message = `cluster ${request.cluster}: source ${only.source.name} leaves it out (clusters.include, clusters.exclude)`;
    const cluster = { id: only.row.clusterId, name: only.row.clusterName, category: only.row.category };
    return undetermined(cluster, [{ kind: 'cluster-absent', message }], judgeBy(only.source));
  }
  const evaluation = await judgeCluster(only.source.reports, only.row, judgeBy(only.source), signal);
  return only.row.clusterId === request.cluster ? evaluation : doubted(evaluation, reasons);
}

/** A source that could not be looked at may have a cluster of the same name: the one that passes may be the wrong one. */
function doubted(evaluation: Evaluation, reasons: readonly Reason[]): Evaluation {
  if (reasons.length === 0) return evaluation;
  const verdict = evaluation.verdict === 'pass' ? 'undetermined' : evaluation.verdict;
  return { ...evaluation, verdict, reasons: [...evaluation.reasons, ...reasons] };
}

function chooseSources(name: string | undefined, sources: readonly WatchedSource[]): readonly WatchedSource[] {
  if (name === undefined) return sources;
  const chosen = sources.filter((source) => source.name === name);
  if (chosen.length > 0) return chosen;
  throw new InputError(
    `there is no source ${name}${hint(
      name,
      sources.map((source) => source.name),
    )}`,
  );
}

function ambiguous(cluster: string, found: readonly { source: WatchedSource; row: ClusterRow }[]): string {
  const places = found.map(({ source, row }) => `${row.clusterId} in source ${source.name}`).join(', ');
  const isOne = new Set(found.map(({ row }) => row.clusterId)).size === 1;
  const what = isOne ? 'is in several sources' : 'is the name of several';
  return `cluster ${cluster} ${what}: ${places}; ${isOne ? '' : 'ask by id, or '}name the source`;
}
