import { hash } from 'node:crypto';
import { DeliveryError, InputError } from '../core/errors.ts';
import type { Evaluation, Reason, ReasonKind, Verdict } from '../core/evaluation.ts';
import type { Notice } from '../core/notice.ts';
import { type RouteTable, routed, sourceReceivers } from '../core/routes.ts';
import { judgeCluster, undetermined } from './judge.ts';
import { undeterminedBy } from './out-of-time.ts';
import type { Log, Notifier, ReportReader } from './ports.ts';
import { isWanted, type WatchedSource } from './watched.ts';

export interface ScanEdges {
  readonly sources: readonly WatchedSource[];
  readonly readReport: ReportReader;
  readonly routes: RouteTable;
  /** By the receiver's name. */
  readonly notifiers: ReadonlyMap<string, Notifier>;
  readonly log: Log;
  /** Told of each evaluation as it is made. */
  readonly onEvaluation?: (source: string, evaluation: Evaluation) => void;
}

/** What a scan did. */
export interface ScanSummary {
  /** 0: every cluster was judged and every receiver took what it was owed. 2: not so. 3: some input is wrong. */
  readonly exitCode: 0 | 2 | 3;
  readonly sources: number;
  readonly clusters: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  readonly delivered: number;
  /** What could not be looked at or delivered, in sentences. */
  readonly failures: readonly string[];
}

/**
 * Judge the newest report of every cluster of every source, and tell receivers what is not a pass. Whatever fails, all
 * the rest is done.
 */
export async function scan(edges: ScanEdges, nowMs: number, signal?: AbortSignal): Promise<ScanSummary> {
  const run = new Run(edges, nowMs, signal);
  const done = await Promise.allSettled(edges.sources.map((source) => run.source(source)));
  const summary = await run.summary();
  // An internal error is told only when all the rest is done.
  for (const one of done) if (one.status === 'rejected') throw one.reason;
  return summary;
}

/** Undetermined for a reason that lies with the looking, not with what was seen. */
const notLookedAt: ReadonlySet<ReasonKind> = new Set([
  'source-unreachable',
  'source-throttled',
  'report-unreadable',
  'report-truncated',
]);

class Run {
  readonly #edges: ScanEdges;
  readonly #nowMs: number;
  readonly #signal: AbortSignal | undefined;
  /** For each receiver the deliveries asked of it, one after the other: a slow one delays no other. */
  readonly #queues = new Map<string, Promise<void>>();
  readonly #verdicts: Record<Verdict, number> = { pass: 0, fail: 0, undetermined: 0 };
  readonly #failures: string[] = [];
  #hasInputError = false;
  #delivered = 0;

  constructor(edges: ScanEdges, nowMs: number, signal: AbortSignal | undefined) {
    this.#edges = edges;
    this.#nowMs = nowMs;
    this.#signal = signal;
  }

  async source(source: WatchedSource): Promise<void> {
    try {
      const { clusters, nameless } = await source.reports.list(this.#signal);
      const wanted = clusters.filter((row) => isWanted(row, source));
      if (nameless > 0)
        this.#edges.log('warn', 'rows of the report list name no cluster', { source: source.name, rows: nameless });
      const judge = { policy: source.policy, nowMs: this.#nowMs, readReport: this.#edges.readReport };
      for (const name of source.expect) {
        if (wanted.some((row) => row.clusterName === name)) continue;
        const message = `cluster ${name} is expected in source ${source.name}, and no report list names it`;
        this.#evaluated(source, undetermined({ name }, [{ kind: 'cluster-absent', message }], judge));
      }
      for (const row of wanted) this.#evaluated(source, await judgeCluster(source.reports, row, judge, this.#signal));
    } catch (error) {
      this.#sourceFailed(source, error);
    }
  }

  #evaluated(source: WatchedSource, evaluation: Evaluation): void {
    this.#verdicts[evaluation.verdict]++;
    const { cluster, verdict, reasons } = evaluation;
    this.#edges.log('info', 'cluster judged', {
      source: source.name,
      cluster: cluster.name,
      verdict,
      report: evaluation.report.id,
      broken: evaluation.rules
        .filter((rule) => rule.status === 'fail' || rule.status === 'warn')
        .map((rule) => rule.id),
      reasons: reasons.map((reason) => reason.kind),
    });
    for (const reason of reasons) {
      if (notLookedAt.has(reason.kind)) this.#failures.push(`cluster ${cluster.name}: ${reason.message}`);
    }
    this.#edges.onEvaluation?.(source.name, evaluation);
    for (const [receiver, part] of routed(this.#edges.routes, source.name, evaluation)) {
      const id = noticeId([source.name, cluster.id || cluster.name, receiver, part.report.digest, String(this.#nowMs)]);
      this.#deliver(receiver, { id, source: source.name, atMs: this.#nowMs, about: 'cluster', evaluation: part });
    }
  }

  #sourceFailed(source: WatchedSource, error: unknown): void {
    const reason = reasonOf(error, source.name, this.#signal);
    if (error instanceof InputError) this.#hasInputError = true;
    this.#failures.push(reason.message);
    this.#edges.log('error', 'source not looked at', {
      source: source.name,
      kind: reason.kind,
      reason: reason.message,
    });
    for (const receiver of sourceReceivers(this.#edges.routes, source.name, source.policy.rules)) {
      const id = noticeId([source.name, receiver, reason.kind, String(this.#nowMs)]);
      this.#deliver(receiver, { id, source: source.name, atMs: this.#nowMs, about: 'source', reasons: [reason] });
    }
  }

  #deliver(receiver: string, notice: Notice): void {
    const before = this.#queues.get(receiver) ?? Promise.resolve();
    this.#queues.set(
      receiver,
      before.then(() => this.#send(receiver, notice)),
    );
  }

  async #send(receiver: string, notice: Notice): Promise<void> {
    try {
      await this.#edges.notifiers.get(receiver)?.deliver(notice, this.#nowMs, this.#signal);
      this.#delivered++;
      this.#edges.log('info', 'delivered', { receiver, id: notice.id, about: notice.about });
    } catch (error) {
      if (!(error instanceof DeliveryError) && !(error instanceof InputError)) throw error;
      if (error instanceof InputError) this.#hasInputError = true;
      this.#failures.push(error instanceof InputError ? `deliver to ${receiver}: ${error.message}` : error.message);
      this.#edges.log('error', 'not delivered', { receiver, id: notice.id, reason: error.message });
    }
  }

  async summary(): Promise<ScanSummary> {
    await Promise.all(this.#queues.values());
    return {
      exitCode: this.#hasInputError ? 3 : this.#failures.length > 0 ? 2 : 0,
      sources: this.#edges.sources.length,
      clusters: this.#verdicts.pass + this.#verdicts.fail + this.#verdicts.undetermined,
      verdicts: this.#verdicts,
      delivered: this.#delivered,
      failures: this.#failures,
    };
  }
}

function reasonOf(error: unknown, source: string, signal: AbortSignal | undefined): Reason {
  if (error instanceof InputError) return { kind: 'source-unreachable', message: error.message };
  return undeterminedBy(error, source, signal).reason;
}

function noticeId(parts: readonly string[]): string {
  return `pc_${hash('sha256', JSON.stringify(parts), 'base64url').slice(0, 40)}`;
}
