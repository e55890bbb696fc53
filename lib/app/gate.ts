import { type Baseline, baselineOf } from '../core/baseline.ts';
import type { CoverageOptions } from '../core/coverage.ts';
import { formatDuration } from '../core/duration.ts';
import { InputError } from '../core/errors.ts';
import type { EvaluateOptions } from '../core/evaluate.ts';
import type { Evaluation, Reason } from '../core/evaluation.ts';
import type { ImagePattern } from '../core/images.ts';
import type { Policy } from '../core/policy/parse.ts';
import { terminalText } from '../core/render/escape.ts';
import { isoTime } from '../core/render/words.ts';
import type { ClusterListing, ClusterRow } from '../core/report.ts';
import { anyAge, doubtedFor, retime } from '../core/retime.ts';
import { hint } from '../core/suggest.ts';
import { bypassed } from './bypasses.ts';
import { coverageDoubt, coverageUnknown } from './coverage.ts';
import { undetermined } from './judge.ts';
import { evaluationKey, kept } from './kept-evaluations.ts';
import { listingKey, newestListing } from './listings.ts';
import { undeterminedBy } from './out-of-time.ts';
import { keepPrevious, loadPrevious, type Previous, previousKey } from './previous.ts';
import type { ReportReads } from './report-reads.ts';
import type { Shared } from './shared.ts';
import type { StateStore } from './state.ts';
import { isWanted, type WatchedSource } from './watched.ts';

export interface GateRequest {
  /** Name or id. */
  readonly cluster: string;
  /** Absent: all sources are looked through. */
  readonly source?: string | undefined;
  /** The name of one of the policies of the config; absent: that of the source. */
  readonly policy?: string | undefined;
  /** Absent: all. */
  readonly images?: readonly ImagePattern[] | undefined;
  /** What it is compared with; `previous`: how the cluster was when this last passed, or was accepted. */
  readonly baseline?: Baseline | 'previous' | undefined;
  /** Accept what is found, whatever the verdict: later questions with `baseline: previous` are compared with it. */
  readonly writePrevious?: boolean | undefined;
  readonly maxReportAgeMs?: number | undefined;
  readonly strict?: boolean | undefined;
  /** An undetermined verdict is let through. That is written down, and the next scan tells of it. */
  readonly letUndetermined?: boolean | undefined;
  /** The answer's rules tell all that a baseline is made of. */
  readonly forBaseline?: boolean | undefined;
}

export interface GateEdges {
  readonly sources: readonly WatchedSource[];
  readonly shared: Shared;
  readonly reads: ReportReads;
  /** Or why the state cannot be used; `isForgetful`: it is meant to be lost. */
  readonly store: StateStore | { readonly unusable: string; readonly isForgetful?: true };
  /** How long what HSS said a moment ago, or that it said nothing, is as good as asking it once more. */
  readonly freshMs: number;
  readonly coverage: CoverageOptions;
}

/**
 * So long all gates over one state take what HSS said: pipelines ask at once, and HSS allows five calls of a kind in a minute,
 * which lists that are so far apart never exceed.
 */
export const answerFreshMs = 15_000;

/**
 * The verdict on the newest report of a cluster.
 *
 * HSS is asked for a list once for all who ask within `freshMs`, and for a report once for all who wait for it, whatever they
 * ask of it.
 * Where it cannot be asked, what is known of the cluster answers, as long as the report is not too old, and says so.
 *
 * @throws {InputError} no such source or policy, or none that can be had; a name that several clusters have
 */
export async function gate(
  request: GateRequest,
  edges: GateEdges,
  nowMs: number,
  signal?: AbortSignal,
): Promise<Evaluation> {
  const evaluation = noted(await answer(request, edges, nowMs, signal), edges.sources);
  if (request.letUndetermined !== true || evaluation.verdict !== 'undetermined') return evaluation;
  await bypassed(usable(edges), request, evaluation, nowMs);
  return { ...evaluation, isLetThrough: true };
}

/** What is to be said of the policy, for this once: what is kept of a result does not say it. */
function noted(evaluation: Evaluation, sources: readonly WatchedSource[]): Evaluation {
  const message = sources.find(({ policy }) => policy.digest === evaluation.policy.digest)?.policyNote;
  return message === undefined ? evaluation : { ...evaluation, notes: [{ message }, ...evaluation.notes] };
}

/** @throws {InputError} what was asked for needs a state */
function usable({ store }: GateEdges): StateStore {
  if (!('unusable' in store)) return store;
  throw new InputError(
    `${store.unusable}; letting an undetermined verdict through, and comparing with the previous result or keeping one, need it`,
  );
}

async function answer(
  request: GateRequest,
  edges: GateEdges,
  nowMs: number,
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  // A variable that is not set must not be let through as a cluster that is not there.
  if (request.cluster.trim() === '') throw new InputError('cluster: has to be the name or id of a cluster');
  const sources = chooseSources(request.source, edges.sources);
  const policyOf = policyChooser(request.policy, edges.sources);
  // HSS need not be asked for what cannot be judged.
  if (sources.every(({ policyProblem }) => policyProblem !== undefined)) policyOf(sources[0] as WatchedSource);
  const listed = await Promise.all(sources.map((source) => list(source, edges, nowMs, signal)));
  const reasons = listed.flatMap(({ failure }) => failure ?? []);
  const { found, names } = search(request.cluster, listed);
  const judgeBy = (source: WatchedSource): Judging => ({ policy: policyOf(source), nowMs, request, edges, signal });
  const [only] = found;
  const first = sources[0] as WatchedSource;
  if (found.length > 1) throw new InputError(ambiguous(request.cluster, found));
  if (only === undefined) {
    const absent: Reason = {
      kind: 'cluster-absent',
      message: `cluster ${request.cluster}: no report list of ${sources.map((s) => s.name).join(', ')} names it${hint(request.cluster, names)}`,
    };
    // Where a source could not be looked at, the cluster may well be there.
    return nothing({ name: request.cluster }, reasons.length > 0 ? reasons : [absent], judgeBy(first));
  }
  const { row, source, failure } = only;
  if (!isWanted(row, source)) {
    const message = `cluster ${request.cluster}: source ${source.name} leaves it out (clusters.include, clusters.exclude)`;
    const cluster = { id: row.clusterId, name: row.clusterName, category: row.category };
    return nothing(cluster, [{ kind: 'cluster-absent', message }], judgeBy(source));
  }
  const evaluation =
    failure === undefined ? await live(only, judgeBy(source)) : await stored(only, failure, judgeBy(source));
  const others = reasons.filter((reason) => reason !== failure);
  return row.clusterId === request.cluster ? evaluation : doubted(evaluation, others);
}

interface Listed {
  readonly source: WatchedSource;
  /** The newest; where the source could not be asked, the last that is known. */
  readonly listing: ClusterListing | undefined;
  readonly failure: Reason | undefined;
}

async function list(
  source: WatchedSource,
  { shared, freshMs }: GateEdges,
  nowMs: number,
  signal: AbortSignal | undefined,
): Promise<Listed> {
  const key = listingKey(source.name);
  try {
    const work = async () => {
      const before = await shared.recall<ClusterListing>(key);
      return { value: await newestListing(source, before, nowMs, signal), freshMs };
    };
    const { value } = await shared.once(key, work, signal);
    return { source, listing: value, failure: undefined };
  } catch (error) {
    const { reason } = undeterminedBy(error, source.name, signal);
    return { source, listing: (await shared.recall<ClusterListing>(key))?.value, failure: reason };
  }
}

interface Found extends Omit<Listed, 'listing'> {
  readonly row: ClusterRow;
  /** As in the listing. */
  readonly namelessAtMs: number;
}

/** An id is exact; a name may be that of several clusters. */
function search(cluster: string, listed: readonly Listed[]): { found: readonly Found[]; names: readonly string[] } {
  const found: Found[] = [];
  const names: string[] = [];
  for (const { source, listing, failure } of listed) {
    const clusters = listing?.clusters ?? [];
    names.push(...clusters.filter((row) => isWanted(row, source)).map((row) => row.clusterName));
    const byId = clusters.filter((row) => row.clusterId === cluster);
    const rows = byId.length > 0 ? byId : clusters.filter((row) => row.clusterName === cluster);
    const { namelessAtMs = 0 } = listing ?? {};
    found.push(...rows.map((row) => ({ source, row, failure, namelessAtMs })));
  }
  return { found, names: names.sort() };
}

interface Judging {
  readonly policy: Policy;
  readonly nowMs: number;
  readonly request: GateRequest;
  readonly edges: GateEdges;
  readonly signal: AbortSignal | undefined;
}

function nothing(
  cluster: Parameters<typeof undetermined>[0],
  reasons: readonly Reason[],
  judging: Judging,
): Evaluation {
  const { request } = judging;
  return unkept(undetermined(cluster, reasons, { ...judging, options: optionsOf(request, undefined) }), request);
}

/** Whoever wanted to accept something has to hear that nothing was. */
function unkept(evaluation: Evaluation, { writePrevious }: GateRequest): Evaluation {
  if (writePrevious !== true) return evaluation;
  return { ...evaluation, notes: [{ message: doesNotSuffice }, ...evaluation.notes] };
}

/** Of the age only an answer is judged: what is kept is of any age. */
function optionsOf(
  { images, strict, baseline, forBaseline, writePrevious }: GateRequest,
  previous: Previous | undefined,
): EvaluateOptions {
  const since = baseline === 'previous' ? previous?.baseline : baseline;
  return {
    maxReportAgeMs: anyAge,
    strict,
    ...(images !== undefined && { images }),
    ...(since !== undefined && { baseline: since }),
    ...((baseline === 'previous' || forBaseline === true || writePrevious === true) && { track: 'baseline' as const }),
  };
}

/** By the newest report, read once for all who ask of it. */
async function live(found: Found, judging: Judging): Promise<Evaluation> {
  const { source, row } = found;
  const { policy, nowMs, request, edges, signal } = judging;
  const previous = await previousOf(source, row, judging);
  const question = { policy, nowMs, options: optionsOf(request, previous) };
  const of = { source: source.reports, row, policies: edges.sources.map((one) => one.policy) };
  const judgeNow = async () => retimed(await edges.reads.alone(of, question, signal), judging);
  if (row.reportId === undefined) return unkept(await judgeNow(), request);
  let shared: Evaluation;
  try {
    shared = await edges.reads.answer(of, question, signal);
  } catch (error) {
    const cluster = { id: row.clusterId, name: row.clusterName, category: row.category };
    return nothing(cluster, [undeterminedBy(error, source.name, signal).reason], judging);
  }
  const answered = retime(shared, policy, nowMs, request) ?? (await judgeNow());
  return remember(await covered(answered, found, judging), previous, { source, row }, judging);
}

function retimed(evaluation: Evaluation, { policy, nowMs, request }: Judging): Evaluation {
  return retime(evaluation, policy, nowMs, request) ?? evaluation;
}

/** By what was worked out before HSS could not be asked any more. */
async function stored(found: Found, reason: Reason, judging: Judging): Promise<Evaluation> {
  const { source, row } = found;
  const { policy, nowMs, request, edges } = judging;
  const previous = await previousOf(source, row, judging);
  const known = await edges.shared.recall<Evaluation>(
    evaluationKey(source.name, row, { policy, nowMs, options: optionsOf(request, previous) }),
  );
  const retold = known && retime(known.value, policy, nowMs, request);
  const answered = retold && (await covered(retold, found, judging));
  const cluster = { id: row.clusterId, name: row.clusterName, category: row.category };
  // Of an old report nobody knows whether there is a newer one.
  const isUsable = answered?.reasons.every(({ kind }) => kind !== 'report-stale');
  if (known === undefined || answered === undefined || !isUsable) return nothing(cluster, [reason], judging);
  const message = `HSS could not be asked (${reason.message}): this is what was found ${formatDuration(nowMs - known.atMs)} ago`;
  return unkept(
    { ...answered, stored: { atMs: known.atMs, reason }, notes: [{ message }, ...answered.notes] },
    request,
  );
}

async function previousOf(source: WatchedSource, row: ClusterRow, judging: Judging): Promise<Previous | undefined> {
  const { policy, nowMs, request, edges } = judging;
  if (request.baseline !== 'previous' && request.writePrevious !== true) return undefined;
  const images = (request.images ?? []).map(({ text }) => text);
  return loadPrevious(
    usable(edges),
    previousKey(source.name, row.clusterId, policy.name, images, request.strict === true),
    nowMs,
  );
}

/** By a report that is not the newest, or looked much less far than the one before it, nothing passes, and nothing is fixed. */
async function covered(
  evaluation: Evaluation,
  found: Found,
  { nowMs, request, edges: { store, coverage } }: Judging,
): Promise<Evaluation> {
  const { source, row } = found;
  const newer = newerProblem(found, evaluation.report.scannedAtMs ?? 0);
  if (newer !== undefined) return doubtedFor(newer, evaluation, request.strict === true);
  if ('unusable' in store) {
    if (store.isForgetful === true) return evaluation;
    return { ...evaluation, notes: [coverageUnknown(store.unusable), ...evaluation.notes] };
  }
  const doubt = await coverageDoubt(store, source.name, row, evaluation, coverage, nowMs);
  if (doubt === undefined) return evaluation;
  if ('note' in doubt) return { ...evaluation, notes: [doubt.note, ...evaluation.notes] };
  return doubtedFor(doubt.reason, evaluation, request.strict === true);
}

/** Why a report of that time is not the newest, or may not be. */
function newerProblem(
  { source, row: { newerAtMs = 0 }, namelessAtMs }: Found,
  scannedAtMs: number,
): Reason | undefined {
  if (newerAtMs > scannedAtMs) {
    const message = `HSS has listed a newer report of the cluster, of ${isoTime(newerAtMs)}, which it does not list now`;
    return { kind: 'report-stale', message };
  }
  if (namelessAtMs <= scannedAtMs) return undefined;
  const message = `source ${source.name}: the list of reports has a newer row that names no cluster: it may be this one`;
  return { kind: 'report-unreadable', message };
}

/** Only a pass is kept by itself, and all else only when that is asked for: debt is accepted by an act, and never unseen. */
async function remember(
  evaluation: Evaluation,
  previous: Previous | undefined,
  { source, row }: Pick<Found, 'source' | 'row'>,
  judging: Judging,
): Promise<Evaluation> {
  if (previous === undefined) return evaluation;
  const { policy, nowMs, request, edges } = judging;
  const isFirst = previous.baseline === undefined;
  const isWanted = request.writePrevious === true;
  const images = (request.images ?? []).map(({ text }) => text);
  const baseline = isWanted || evaluation.verdict === 'pass' ? baselineOf(evaluation, policy.rules, images) : undefined;
  const isKept = baseline !== undefined && (await keepPrevious(usable(edges), previous, baseline, isWanted, nowMs));
  const isOther = JSON.stringify(baseline) !== JSON.stringify(previous.baseline);
  if (isKept && isOther && !isFirst && !isWanted) {
    // Compared with itself from now on: whoever asks again gets what was found now.
    const next = { policy, nowMs, options: optionsOf(request, { ...previous, baseline }) };
    const { value } = kept({ ...evaluation, evaluatedAtMs: nowMs }, row, 0);
    await edges.shared.leave(evaluationKey(source.name, row, next), { value, freshMs: 0 });
  }
  const compares = request.baseline === 'previous';
  const messages = [
    ...(compares && isFirst ? [isKept ? nothingYet : `${nothingYet}; ${howToAccept}`] : []),
    ...(isKept && (isFirst || isWanted) ? ['from now on baseline: previous compares with this result'] : []),
    ...(isWanted && !isKept ? [baseline === undefined ? doesNotSuffice : tooMany] : []),
  ];
  if (messages.length === 0) return evaluation;
  return {
    ...evaluation,
    ...(compares && isFirst && { baseline: 'none' as const }),
    notes: [...messages.map((message) => ({ message })), ...evaluation.notes],
  };
}

const nothingYet = 'there is no earlier result to compare with, so all findings count';
const howToAccept = 'to accept what stands, ask once with --write-baseline previous (write_baseline in a request)';
const doesNotSuffice = 'this result was not kept for baseline: previous, since the report does not suffice';
const tooMany = 'this result was not kept for baseline: previous, since it has too many findings';

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
  const known = sources.map((source) => source.name);
  throw new InputError(`there is no source ${name}${hint(name, known)}`);
}

function policyChooser(name: string | undefined, sources: readonly WatchedSource[]): (source: WatchedSource) => Policy {
  if (name === undefined) return policyAtHand;
  // One of those that could not be had may have that name too.
  for (const source of sources) policyAtHand(source);
  const policies = new Map(sources.map(({ policy }) => [policy.digest, policy]));
  const named = [...policies.values()].filter((policy) => policy.name === name);
  const [only] = named;
  if (named.length > 1) throw new InputError(`policy ${name}: several policies of the config have that name`);
  if (only !== undefined) return () => only;
  throw new InputError(
    `there is no policy ${name} in the config${hint(name, [...new Set([...policies.values()].map((policy) => policy.name))])}`,
  );
}

/** @throws {InputError} there is none: without a policy there is no verdict, be it undetermined */
function policyAtHand({ policy, policyProblem }: WatchedSource): Policy {
  if (policyProblem !== undefined) throw new InputError(policyProblem.message);
  return policy;
}

function ambiguous(cluster: string, found: readonly Found[]): string {
  const places = found
    .map(({ source, row }) => `${terminalText(row.clusterId, 100)} in source ${source.name}`)
    .join(', ');
  const isOne = new Set(found.map(({ row }) => row.clusterId)).size === 1;
  const what = isOne ? 'is in several sources' : 'is the name of several';
  return `cluster ${cluster} ${what}: ${places}; ${isOne ? '' : 'ask by id, or '}name the source`;
}
