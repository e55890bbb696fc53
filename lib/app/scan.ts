import { formatDuration } from '../core/duration.ts';
import { InputError } from '../core/errors.ts';
import type { Evaluation, Reason, ReasonKind, Verdict } from '../core/evaluation.ts';
import type { ClusterListing, ClusterRow } from '../core/report.ts';
import { type RouteTable, receiversOf } from '../core/routes.ts';
import type { Cause } from '../core/told.ts';
import { tellBypasses } from './bypasses.ts';
import { clusterGroup } from './cluster-state.ts';
import { tellDeadLetters } from './dead-letters.ts';
import { type Followed, type FollowOptions, follow, followEvaluation } from './follow.ts';
import { type Judge, undetermined } from './judge.ts';
import { evaluationKey, kept } from './kept-evaluations.ts';
import { type KnownCluster, knownClusters, rememberClusters } from './known-clusters.ts';
import { expectedId, type LeftOutEdges, leaveOut, leaveOutRemoved, nothing } from './left-out.ts';
import { listingKey, newestListing } from './listings.ts';
import { byLook, type Looks, loadLooks, saveLooks, whole } from './looks.ts';
import { LeftError, leaving, undeterminedBy } from './out-of-time.ts';
import { Outbox, type OutboxEdges, type OwedTarget, ourselves } from './outbox.ts';
import { hearsOfOurselves, receiverName } from './own-names.ts';
import { tellEach } from './own-news.ts';
import type { Clock, Log, ReportReader } from './ports.ts';
import { loadHealth, tellRecovered, watchReceivers, withoutGone } from './receiver-health.ts';
import type { Shared } from './shared.ts';
import { watchSilences } from './silence-watch.ts';
import { loadSilences, silencer } from './silences.ts';
import { type StateStore, StoreError } from './state.ts';
import { tellUnreadable } from './unreadable.ts';
import { isWanted, type WatchedSource } from './watched.ts';

export interface ScanEdges
  extends Pick<OutboxEdges, 'notifiers' | 'announce' | 'reposts' | 'page' | 'askAgain'>,
    Pick<LeftOutEdges, 'configured'> {
  readonly sources: readonly WatchedSource[];
  readonly readReport: ReportReader;
  readonly store: StateStore;
  /** Where gates find what a scan found. */
  readonly shared: Shared;
  readonly routes: RouteTable;
  readonly clock: Clock;
  readonly log: Log;
  /** Secrets that are not there, by whose they are (`receiver chat`), and why not. What it is owed it stays owed. */
  readonly missing?: ReadonlyMap<string, readonly string[]>;
  readonly options: FollowOptions & OutboxEdges['options'] & { readonly failingAfterRuns: number };
  /** Told of each cluster as it was looked at; `evaluation` is absent where nothing changed. */
  readonly onCluster?: (source: string, followed: Followed) => void;
}

/** How much of the work a run does. */
export interface ScanScope {
  /**
   * When the schedule asked for it: what was looked at since then is not looked at again, so that a run can go on where
   * another one stopped.
   */
  readonly sinceMs?: number | undefined;
  /** Asked before each cluster: whether there is time for one more. What is not looked at is left. */
  readonly mayStart?: (() => boolean) | undefined;
}

/** What a scan did. */
export interface ScanSummary {
  /** 0: every cluster was judged and every receiver took what it was owed. 2: not so. 3: some input is wrong. */
  readonly exitCode: 0 | 2 | 3;
  /** Some input about a source is wrong, so that it was not looked at. */
  readonly hasInvalidSource: boolean;
  readonly sources: number;
  readonly clusters: number;
  /** Clusters whose report had not changed, and was not fetched. */
  readonly unchanged: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
  /** Messages that were accepted, and that were not taken, by receiver. */
  readonly delivered: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  /** Alerts that accepted messages told, by why. */
  readonly told: Readonly<Partial<Record<Cause, number>>>;
  /** What could not be looked at or delivered, in sentences. */
  readonly failures: readonly string[];
  /** Clusters of lists that were looked at, and those for which there was no time. */
  readonly looked: number;
  readonly left: number;
  /**
   * Alerts of the clusters that were looked at: those that fire, those among them of which the newest report does not tell
   * whether they still do, and those that waivers ended.
   */
  readonly alerts: { readonly firing: number; readonly held: number; readonly waived: number };
  /** Of the oldest report that was judged; undefined: there is none. */
  readonly oldestReportSeconds: number | undefined;
  /** What receivers did not take, and since when the oldest of it is owed; epoch milliseconds. */
  readonly owed: readonly OwedTarget[];
  readonly owedSinceMs: number | undefined;
  /** Since when a source cannot be looked at, the one that could not for the longest; epoch milliseconds. */
  readonly failingSinceMs: number | undefined;
}

/**
 * Judge the newest report of every cluster of every source, follow the alerts, and tell receivers what they are owed.
 * Whatever fails, all the rest is done, and the next run makes good.
 * @throws {StoreError} the memory of alerts cannot be read or written
 */
export async function scan(
  edges: ScanEdges,
  nowMs: number,
  signal?: AbortSignal,
  scope: ScanScope = {},
): Promise<ScanSummary> {
  const { outbox, finish } = await openOutbox(edges, nowMs, signal, scope.sinceMs ?? nowMs);
  const run = new Run(edges, outbox, nowMs, signal, scope);
  const done = await Promise.allSettled([
    ...edges.sources.map((source) => run.source(source)),
    ...edges.sources.slice(0, 1).map(({ policy }) => leaveOutRemoved(edges, outbox, policy, nowMs)),
  ]);
  const told = await Promise.allSettled([finish(run.hasSeenAll)]);
  // Before it is written down what was looked at: a run that dies here is done again, and asks then.
  await outbox.askAgain();
  await run.saveLooks([...done, ...told].every(({ status }) => status === 'fulfilled'));
  // An internal error is told only when all the rest is done.
  for (const one of [...done, ...told]) if (one.status === 'rejected') throw one.reason;
  run.throwBroken();
  return run.summary();
}

/**
 * Tell receivers what they did not take before, without a look at anything.
 * @throws {StoreError}
 */
export async function deliverOwed(
  edges: ScanEdges,
  targets: readonly OwedTarget[],
  nowMs: number,
  signal?: AbortSignal,
): Promise<ScanSummary> {
  const { outbox, finish } = await openOutbox(edges, nowMs, signal);
  const run = new Run(edges, outbox, nowMs, signal, {});
  const [first] = edges.sources;
  const clusters = byCluster(targets);
  const broken: StoreError[] = [];
  for (const [group, of] of clusters) {
    const { source: name, clusterId, clusterName } = of[0] as OwedTarget;
    const source = edges.sources.find((one) => one.name === name) ?? (name === ourselves ? first : undefined);
    if (source === undefined) continue;
    const row = { clusterId, clusterName, scannedAtMs: undefined };
    const receivers = of.flatMap(({ receiver }) => receiver ?? []);
    const only = receivers.length === of.length ? new Set(receivers) : undefined;
    try {
      const followed = await followEvaluation(group, row, undefined, { policy: source.policy, nowMs }, edges);
      outbox.tell(name, followed, source.policy, only);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      edges.log('error', 'what is owed cannot be read', { group, reason: error.message });
      broken.push(error);
      for (const target of of) outbox.leave(target);
    }
  }
  // Nothing could be done: the message comes again by itself.
  if (broken[0] !== undefined && broken.length === clusters.size) throw broken[0];
  await finish().catch((error: unknown) => {
    if (!(error instanceof StoreError)) throw error;
    edges.log('error', 'what is owed cannot be written', { reason: error.message });
    for (const target of targets)
      if (outbox.isBroken(clusterGroup(target.source, target.clusterId))) outbox.leave(target);
  });
  await outbox.askAgain(targets);
  return run.summary();
}

function byCluster(targets: readonly OwedTarget[]): ReadonlyMap<string, readonly OwedTarget[]> {
  const clusters = new Map<string, OwedTarget[]>();
  for (const target of targets) {
    const group = clusterGroup(target.source, target.clusterId);
    clusters.set(group, [...(clusters.get(group) ?? []), target]);
  }
  return clusters;
}

/**
 * Tell of sources whose messages lie in the dead-letter queue, and when they do not any more.
 * @param command moves them back
 * @param isWhole whether there are no others
 * @throws {StoreError}
 */
export async function tellPoisoned(
  edges: ScanEdges,
  sources: readonly string[],
  command: string,
  isWhole: boolean,
  nowMs: number,
  signal?: AbortSignal,
): Promise<ScanSummary> {
  const { outbox } = await openOutbox(edges, nowMs, signal);
  const told = (name: string, message: string) =>
    [name, [{ kind: 'source-poisoned' as const, message, command }]] as const;
  const reasons = sources.map((source) => {
    const message = `source ${source} could not be scanned, several times: its message lies in the dead-letter queue; see the log, mend the cause, then move it back`;
    return told(`message of ${source}`, message);
  });
  const more =
    'there are more messages in the dead-letter queue than it shows, perhaps of other sources; move them back';
  // Where some are there, and none was shown just now, nothing is known of which, and what was told is still so.
  if (!isWhole && sources.length > 0) reasons.push(told('more messages', more));
  await tellEach(edges, outbox, 'poisoned', new Map(reasons), nowMs, isWhole);
  await outbox.finish();
  await outbox.askAgain();
  return new Run(edges, outbox, nowMs, signal, {}).summary();
}

/**
 * An outbox with its routes and silences, and what is to be done when everything was told.
 * @param tickMs when the schedule asked for the run; undefined: it did not
 */
async function openOutbox(edges: ScanEdges, nowMs: number, signal: AbortSignal | undefined, tickMs?: number) {
  const silences = await loadSilences(edges.store, nowMs);
  const silenced = silencer(silences);
  const muted = new Map<string, Set<string>>();
  const health = await loadHealth(edges.store, nowMs);
  const outbox = new Outbox(
    {
      ...edges,
      notifiers: withoutGone(edges.notifiers, health, nowMs),
      wants: (receiver, source, cluster, alert, transition) =>
        source === ourselves
          ? hearsOfOurselves(receiver, cluster)
          : receiversOf(edges.routes, { ...alert, source, cluster, transition }).has(receiver),
      silencedUntilMs: (...of) => silenced(...of)?.untilMs,
      onMuted: (...of) => {
        const { id = '' } = silenced(...of) ?? {};
        muted.set(id, (muted.get(id) ?? new Set()).add(of[2].fingerprint));
      },
    },
    nowMs,
    signal,
  );
  const stepsOf = (hasSeenAll: boolean) => [
    () => outbox.finish(),
    () => watchReceivers(edges, outbox, health, nowMs, tickMs),
    () => tellBypasses(edges, outbox, nowMs),
    () => {
      const counts = new Map([...muted].map(([id, alerts]) => [id, alerts.size]));
      return watchSilences(edges, outbox, silences, { counts, isAll: hasSeenAll }, nowMs);
    },
    () => outbox.finish(),
    () => tellDeadLetters(edges, outbox, nowMs),
    () => outbox.finish(),
    () => tellRecovered(edges, outbox, health, nowMs, tickMs),
    () => outbox.finish(),
  ];
  /** What fails keeps nothing after it from being done. @param hasSeenAll whether all clusters of all sources were looked at */
  async function finish(hasSeenAll = false): Promise<void> {
    const errors: unknown[] = [];
    for (const step of stepsOf(hasSeenAll)) await step().catch((error: unknown) => errors.push(error));
    for (const error of errors) throw error;
  }
  return { outbox, finish };
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
  readonly #outbox: Outbox;
  readonly #nowMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #scope: ScanScope;
  readonly #looks: {
    readonly source: string;
    readonly looks: Looks;
    readonly listed: ReadonlySet<string>;
    isWhole: boolean;
  }[] = [];
  readonly #verdicts: Record<Verdict, number> = { pass: 0, fail: 0, undetermined: 0 };
  readonly #failures: string[] = [];
  #unchanged = 0;
  #left = 0;
  /** Of clusters whose memory could not be read or written. */
  readonly #broken: StoreError[] = [];
  readonly #alerts = { firing: 0, held: 0, waived: 0 };
  #oldestScannedAtMs: number | undefined;
  #failingSinceMs: number | undefined;
  #hasInvalidSource = false;

  constructor(edges: ScanEdges, outbox: Outbox, nowMs: number, signal: AbortSignal | undefined, scope: ScanScope) {
    this.#edges = edges;
    this.#scope = scope;
    this.#outbox = outbox;
    this.#nowMs = nowMs;
    this.#signal = signal;
  }

  async source(source: WatchedSource): Promise<void> {
    const judge = { policy: source.policy, nowMs: this.#nowMs, readReport: this.#edges.readReport };
    const { policyProblem, policyNote } = source;
    if (policyNote !== undefined)
      this.#edges.log('warn', 'an older copy of the policy is used', { source: source.name, reason: policyNote });
    const before = await knownClusters(this.#edges.store, source.name, this.#nowMs);
    let isListedNow = false;
    const look = async () => {
      if (policyProblem !== undefined) throw policyProblem;
      isListedNow = await this.#clusters(source, before, judge);
    };
    const failure = await look().then(
      () => undefined,
      async (error: unknown) => {
        const reason = this.#sourceFailed(source, error);
        // What receivers are owed they are owed all the same.
        for (const cluster of before.filter((one) => isWanted(one, source)))
          await this.#tellKnown(source, { ...cluster, scannedAtMs: undefined }, judge);
        return reason;
      },
    );
    // The source itself is followed like a cluster, so that its failure is told once, and its end too.
    const itself = { clusterId: '', clusterName: `source ${source.name}`, scannedAtMs: undefined };
    // A list that is remembered does not show that it can be had now.
    const reasons = failure === undefined ? (isListedNow ? [] : undefined) : [failure];
    const { alerts } = await this.#absent(source, itself, reasons, judge);
    for (const { state, backMs, sinceMs } of alerts)
      if (state === 'firing')
        this.#failingSinceMs = Math.min(backMs ?? sinceMs, this.#failingSinceMs ?? Number.POSITIVE_INFINITY);
  }

  /** @returns whether HSS was asked for the list just now @throws why the source could not be looked at */
  async #clusters(source: WatchedSource, before: readonly KnownCluster[], judge: Judge): Promise<boolean> {
    const { store, log } = this.#edges;
    if (before.length === 0) this.#outbox.begin(source.name);
    const { listing, isNew } = await this.#list(source);
    const { clusters, nameless } = listing;
    const isOurs = (cluster: KnownCluster) => isWanted(cluster, source);
    const wanted = clusters.filter(isOurs);
    if (nameless > 0) log('warn', 'rows of the report list name no cluster', { source: source.name, rows: nameless });
    const settledMs = this.#edges.options.owedForMs + 86_400_000;
    const { absent, leftOut } = await rememberClusters(
      store,
      source.name,
      wanted,
      before,
      isOurs,
      settledMs,
      this.#nowMs,
    );
    for (const { clusterId, clusterName } of leftOut)
      await this.#leftOut(source, { clusterId, clusterName, scannedAtMs: undefined });
    for (const { clusterId, clusterName } of absent) {
      const message = `cluster ${clusterName} was in the report list of source ${source.name} and is not any more; if that is meant, leave it out: put ${clusterId} in clusters.exclude`;
      this.#looked(
        source,
        await this.#absent(
          source,
          { clusterId, clusterName, scannedAtMs: undefined },
          [{ kind: 'cluster-absent', message }],
          judge,
        ),
      );
    }
    for (const name of source.expect) {
      const isThere =
        wanted.some((row) => row.clusterName === name) || absent.some((known) => known.clusterName === name);
      const message = `cluster ${name} is expected in source ${source.name}, and no report list names it`;
      const row = { clusterId: expectedId(name), clusterName: name, scannedAtMs: undefined };
      const followed = await this.#absent(source, row, isThere ? [] : [{ kind: 'cluster-absent', message }], judge);
      if (!isThere) this.#looked(source, followed);
    }
    const looks = await loadLooks(store, source.name, this.#nowMs);
    const looked: Record<string, number> = {};
    const look = {
      source: source.name,
      looks: looked,
      listed: new Set(wanted.map((row) => row.clusterId)),
      isWhole: false,
    };
    this.#looks.push(look);
    const { sinceMs = Number.POSITIVE_INFINITY, mayStart } = this.#scope;
    const unreadable = new Map<string, Reason>();
    let begun = 0;
    let isWhole = true;
    for (const row of wanted.toSorted(byLook(looks))) {
      if ((looks[row.clusterId] ?? 0) >= sinceMs) continue;
      if (mayStart?.() === false) {
        this.#left++;
        isWhole = false;
        continue;
      }
      // A report that takes all the time there is is not left for ever.
      const reports = mayStart === undefined || begun++ === 0 ? source.reports : leaving(source.reports);
      const reason = await this.#look({ ...source, reports }, row, judge);
      if (reason === 'left') {
        this.#left++;
        isWhole = false;
        continue;
      }
      if (reason === undefined) looked[row.clusterId] = this.#nowMs;
      else unreadable.set(row.clusterName, reason);
      // Where the memory of none can be read, time is better spent on telling.
      if (unreadable.size >= mostBroken && !(await this.#canRead(source))) {
        isWhole = false;
        break;
      }
    }
    await tellUnreadable(this.#edges, this.#outbox, source.name, unreadable, this.#nowMs, isWhole);
    look.isWhole = isWhole && unreadable.size === 0;
    return isNew;
  }

  /** @returns why nothing is known of it now: there was no time, or its memory cannot be read or written */
  async #look(source: WatchedSource, row: ClusterRow, judge: Judge): Promise<Reason | 'left' | undefined> {
    const keep = (of: ClusterRow, evaluation: Evaluation) =>
      this.#edges.shared.leave(
        evaluationKey(source.name, of, { policy: source.policy, nowMs: this.#nowMs }),
        kept(evaluation, of, 0),
        true,
      );
    try {
      const followed = await follow(source.reports, row, judge, { ...this.#edges, keep }, this.#signal);
      this.#looked(source, followed);
      this.#outbox.tell(source.name, followed, source.policy);
      return undefined;
    } catch (error) {
      if (error instanceof LeftError) return 'left';
      if (!(error instanceof StoreError)) throw error;
      return this.#unreadable(row, error);
    }
  }

  async #canRead({ name }: WatchedSource): Promise<boolean> {
    return loadLooks(this.#edges.store, name, this.#nowMs).then(
      () => true,
      () => false,
    );
  }

  async #tellKnown(source: WatchedSource, row: Followed['row'], judge: Judge): Promise<void> {
    const group = clusterGroup(source.name, row.clusterId);
    try {
      this.#outbox.tell(source.name, await followEvaluation(group, row, undefined, judge, this.#edges), source.policy);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#unreadable(row, error);
    }
  }

  #unreadable({ clusterName }: Followed['row'], error: StoreError): Reason {
    this.#broken.push(error);
    const message = `cluster ${clusterName} is not watched: what is remembered of it cannot be read or written: ${error.message}`;
    this.#failures.push(message);
    this.#edges.log('error', 'memory of a cluster not usable', { cluster: clusterName, reason: error.message });
    return { kind: 'memory-unreadable', message };
  }

  /** @throws {StoreError} the memory of a cluster could not be read or written */
  throwBroken(): void {
    const [first] = this.#broken;
    if (first !== undefined) throw first;
  }

  /** Whether all clusters of all sources of the config were looked at, by this run alone. */
  get hasSeenAll(): boolean {
    const whole = this.#looks.filter(({ looks, listed }) => Object.keys(looks).length === listed.size);
    return whole.length === this.#edges.configured.size;
  }

  async #leftOut(source: WatchedSource, row: Followed['row']): Promise<void> {
    await leaveOut(this.#edges, this.#outbox, source, row, this.#nowMs);
  }

  /** Once for all runs that the schedule asked for at a time. */
  async #list(source: WatchedSource): Promise<{ readonly listing: ClusterListing; readonly isNew: boolean }> {
    const { shared } = this.#edges;
    const { sinceMs } = this.#scope;
    const key = listingKey(source.name);
    const before = await shared.recall<ClusterListing>(key);
    if (before !== undefined && sinceMs !== undefined && before.atMs >= sinceMs)
      return { listing: before.value, isNew: false };
    const listing = await newestListing(source, before, this.#nowMs, this.#signal);
    await shared.leave(key, { value: listing, freshMs: 0 });
    return { listing, isNew: true };
  }

  /** When all of it was told: a run that dies before is done again. @param wentWell nothing failed that should not */
  async saveLooks(wentWell: boolean): Promise<void> {
    const { store } = this.#edges;
    for (const { source, looks, listed, isWhole } of this.#looks) {
      const told = Object.entries(looks).filter(([id]) => !this.#outbox.isBroken(clusterGroup(source, id)));
      if (isWhole && wentWell) told.push([whole, this.#scope.sinceMs ?? this.#nowMs]);
      await saveLooks(store, source, Object.fromEntries(told), listed, this.#nowMs);
    }
  }

  /**
   * Follow what has no report: with reasons it cannot be judged, without it can again.
   * @param reasons undefined: nothing is known that is new
   */
  async #absent(
    source: WatchedSource,
    row: Followed['row'],
    reasons: readonly Reason[] | undefined,
    judge: Judge,
  ): Promise<Followed> {
    const cluster = { id: row.clusterId || row.clusterName, name: row.clusterName };
    const evaluation = undetermined(cluster, reasons?.length ? reasons : nothing, judge);
    const judged: Evaluation = reasons?.length ? evaluation : { ...evaluation, reasons: [], rules: [] };
    const told = reasons && judged;
    const followed = await followEvaluation(clusterGroup(source.name, row.clusterId), row, told, judge, this.#edges);
    this.#outbox.tell(source.name, followed, source.policy);
    return followed;
  }

  #looked(source: WatchedSource, followed: Followed): void {
    const { evaluation, verdict, row, head } = followed;
    this.#verdicts[verdict]++;
    for (const { state, held, end } of followed.alerts) {
      if (state === 'firing') this.#alerts.firing++;
      if (state === 'firing' && held !== undefined) this.#alerts.held++;
      if (end === 'waived') this.#alerts.waived++;
    }
    const scannedAtMs = head?.scannedAtMs;
    if (scannedAtMs !== undefined && scannedAtMs < (this.#oldestScannedAtMs ?? Number.POSITIVE_INFINITY))
      this.#oldestScannedAtMs = scannedAtMs;
    if (evaluation === undefined) this.#unchanged++;
    this.#edges.onCluster?.(source.name, followed);
    this.#edges.log('info', evaluation === undefined ? 'cluster unchanged' : 'cluster judged', {
      source: source.name,
      cluster: row.clusterName,
      verdict,
      alerts: followed.alerts.filter(({ state }) => state === 'firing').length,
      ...(evaluation !== undefined && {
        report: evaluation.report.id,
        reasons: evaluation.reasons.map(({ kind }) => kind),
      }),
    });
    for (const reason of evaluation?.reasons ?? []) {
      if (notLookedAt.has(reason.kind)) this.#failures.push(`cluster ${row.clusterName}: ${reason.message}`);
    }
  }

  #sourceFailed(source: WatchedSource, error: unknown): Reason {
    const isInputError = error instanceof InputError;
    const reason: Reason = isInputError
      ? { kind: 'source-unreachable', message: error.message }
      : undeterminedBy(error, source.name, this.#signal).reason;
    this.#hasInvalidSource ||= isInputError;
    this.#failures.push(reason.message);
    this.#edges.log('error', 'source not looked at', {
      source: source.name,
      kind: reason.kind,
      reason: reason.message,
    });
    return reason;
  }

  summary(): ScanSummary {
    const delivered: Record<string, number> = {};
    const refusedBy: Record<string, number> = {};
    const told: Partial<Record<Cause, number>> = {};
    const failures = [...this.#failures];
    const { missing = new Map<string, readonly string[]>() } = this.#edges;
    let hasInputError = this.#hasInvalidSource || missing.size > 0;
    for (const [of, reasons] of missing) failures.push(`${of}: its secret cannot be read: ${reasons.join('; ')}`);
    for (const [receiver, { accepted, refused, reason, isInputError, ...result }] of this.#outbox.results) {
      delivered[receiver] = accepted;
      refusedBy[receiver] = refused;
      for (const [cause, count] of Object.entries(result.told) as [Cause, number][])
        told[cause] = (told[cause] ?? 0) + count;
      hasInputError ||= isInputError;
      const why = missing.has(receiverName(receiver)) ? '' : `: ${reason}`;
      if (refused > 0)
        failures.push(`${receiver}: ${refused} ${refused === 1 ? 'message' : 'messages'} not taken${why}`);
    }
    for (const [receiver, clusters] of this.#outbox.elsewhere) {
      const of = `${clusters} ${clusters === 1 ? 'cluster' : 'clusters'}`;
      const wait = formatDuration(this.#edges.options.claimMs);
      failures.push(
        `${receiver}: another run is telling it of ${of}, or was when it died; if it did, it is told ${wait} after`,
      );
    }
    return {
      exitCode: hasInputError ? 3 : failures.length > 0 ? 2 : 0,
      hasInvalidSource: this.#hasInvalidSource,
      sources: this.#edges.sources.length,
      clusters: this.#verdicts.pass + this.#verdicts.fail + this.#verdicts.undetermined,
      unchanged: this.#unchanged,
      verdicts: this.#verdicts,
      delivered,
      refused: refusedBy,
      told,
      failures,
      looked: this.#looks.reduce((sum, { looks }) => sum + Object.keys(looks).length, 0),
      left: this.#left,
      alerts: this.#alerts,
      oldestReportSeconds:
        this.#oldestScannedAtMs === undefined
          ? undefined
          : Math.max(0, Math.floor((this.#nowMs - this.#oldestScannedAtMs) / 1000)),
      owed: this.#outbox.owed,
      owedSinceMs: this.#outbox.owedSinceMs,
      failingSinceMs: this.#failingSinceMs,
    };
  }
}

/** Beyond so many clusters of a source whose memory is broken it is the store, and each try takes its time. */
const mostBroken = 3;
