import { type Alert, type AlertOptions, advance } from '../core/alerts.ts';
import { type CoverageOptions, compareCoverage } from '../core/coverage.ts';
import { clockSkewMs } from '../core/duration.ts';
import type { KnownOfRule } from '../core/evaluate.ts';
import type { Evaluation } from '../core/evaluation.ts';
import { groupNumber } from '../core/fingerprint.ts';
import type { Policy } from '../core/policy/parse.ts';
import type { ClusterRow } from '../core/report.ts';
import { anyAge, retime, staleness as stalenessOf } from '../core/retime.ts';
import {
  alertKey,
  type ClusterState,
  clusterGroup,
  type Head,
  headKey,
  isBelievedToFire,
  loadCluster,
  untoldForMs,
} from './cluster-state.ts';
import { coverageBefore } from './coverage.ts';
import { type Judge, judgeCluster, undetermined } from './judge.ts';
import type { ReportSource } from './ports.ts';
import { type StateStore, StoreError } from './state.ts';

export interface FollowOptions extends AlertOptions, CoverageOptions {
  /** How long an alert that is over is remembered. */
  readonly forgetAfterMs: number;
}

export interface FollowEdges {
  readonly store: StateStore;
  readonly options: FollowOptions;
  /** Takes what was found, of any age, for gates to answer by. */
  readonly keep?: (row: ClusterRow, evaluation: Evaluation) => Promise<void>;
}

/** A cluster after a look at it. */
export interface Followed {
  readonly group: string;
  readonly row: Pick<ClusterRow, 'clusterId' | 'clusterName' | 'scannedAtMs'>;
  /** Absent: nothing has changed, and nothing was asked of HSS. */
  readonly evaluation?: Evaluation;
  readonly verdict: Head['verdict'];
  readonly alerts: readonly Alert[];
  readonly head: Head | undefined;
  readonly state: ClusterState;
}

interface Found {
  readonly evaluation: Evaluation;
  /** Nothing but its age is new of the report. */
  readonly isOnlyOlder?: true;
}

/** How often a run starts over, when another one writes the same cluster. */
const mostTries = 10;

/**
 * Look at a cluster and bring its alerts up to date.
 *
 * Alerts are written before the head that says which report they stand on: a run that dies between them is made good by
 * the next, which judges the same report again and finds nothing to change. Each record is written only over the version
 * that was read; when another run was faster, all is read and worked out again.
 */
export async function follow(
  source: ReportSource,
  row: ClusterRow,
  judge: Judge,
  edges: FollowEdges,
  signal?: AbortSignal,
): Promise<Followed> {
  let evaluation: Evaluation | undefined;
  const look = async (head: Head | undefined, alerts: readonly Alert[]): Promise<Found | undefined> => {
    if (head !== undefined && isUnchanged(head, row, judge.policy)) {
      if (judge.nowMs < head.reviewAtMs) return undefined;
      const stale = hasTurned(head, judge) ? undefined : staleness(row, head, judge);
      // An old report does not get fresher by being fetched.
      if (stale !== undefined) return { evaluation: stale, isOnlyOlder: true };
    }
    const options = { maxReportAgeMs: anyAge, track: true, known: knownOf(alerts) };
    if (evaluation === undefined) {
      const judged = await judgeCluster(source, row, { ...judge, options }, signal);
      await edges.keep?.(row, judged);
      evaluation = retime(judged, judge.policy, judge.nowMs, {}) ?? judged;
    }
    return { evaluation };
  };
  return update(clusterGroup(source.name, row.clusterId), row, look, judge, edges);
}

/**
 * Bring alerts up to date by an evaluation that was made elsewhere: of a cluster that is absent, or of a source.
 * @param evaluation undefined: nothing is known that is new
 */
export function followEvaluation(
  group: string,
  row: Followed['row'],
  evaluation: Evaluation | undefined,
  judge: Pick<Judge, 'nowMs' | 'policy'>,
  edges: FollowEdges,
): Promise<Followed> {
  return update(group, row, async () => evaluation && { evaluation }, judge, edges);
}

async function update(
  group: string,
  row: Followed['row'],
  look: (head: Head | undefined, alerts: readonly Alert[]) => Promise<Found | undefined>,
  { nowMs, policy }: Pick<Judge, 'nowMs' | 'policy'>,
  { store, options }: FollowEdges,
): Promise<Followed> {
  /** Of a try that another run was faster than. */
  let written: readonly Alert[] = [];
  for (let tries = 0; tries < mostTries; tries++) {
    const state = await loadCluster(store, group, nowMs);
    const before = [...state.alerts.values()].map(({ value }) =>
      isAhead(value, nowMs) ? { ...value, ...noTime } : value,
    );
    const known = state.head?.value;
    const head = known && isAhead(known, nowMs) ? { ...known, ...noTime, reportId: '' } : known;
    const found = await look(head, before);
    if (found === undefined) {
      return { group, row, verdict: head?.verdict ?? 'undetermined', alerts: before, head, state };
    }
    const { evaluation } = found;
    // By a time that is wrong nothing is newer, and it is not what later reports are measured against.
    const isWrong = isAhead(evaluation.report, nowMs);
    const judged = isWrong ? withTime(evaluation, head?.scannedAtMs ?? 0) : evaluation;
    const age = (judged.report.scannedAtMs ?? 0) - (head?.scannedAtMs ?? 0);
    const isNewer = age > 0;
    // Older than what is known, as when another run was faster: it ends nothing.
    if (head !== undefined && age < 0 && evaluation.seen !== undefined && evaluation.reasons.length === 0) {
      const isStray = (alert: Alert) =>
        alert.scannedAtMs < head.scannedAtMs && written.some((one) => isSame(one, alert));
      const alerts = before.filter((alert) => !isStray(alert));
      // The faster run has not seen them: the next one looks at its report again, and ends what it does not show.
      if (alerts.length < before.length)
        await store.put(
          group,
          { key: headKey, value: { ...head, reviewAtMs: nowMs } },
          state.head?.version ?? 0,
          nowMs,
        );
      return { group, row, verdict: head.verdict, alerts, head, state };
    }
    const { coverage, doubt } =
      evaluation.seen === undefined || age < 0 || isWrong
        ? { coverage: head?.coverage, doubt: undefined }
        : compareCoverage(coverageBefore(head, judged.report.scannedAtMs ?? 0), evaluation.seen, options, {
            // Its age says nothing of how far it looked.
            suffices: evaluation.reasons.every(({ kind }) => kind === 'report-stale'),
          });
    const last = head && {
      policyDigest: head.policyDigest,
      images: isNewer ? head.images : head.imagesBefore,
    };
    const alerts = advance(before, judged, doubt, nowMs, { ...options, last, isOnlyOlder: found.isOnlyOlder === true });
    const next = nextHead(head, row, isWrong ? unseen(evaluation) : evaluation, coverage, isNewer, nowMs, policy);
    if (!(await save(store, group, state, alerts, next, options, nowMs))) {
      written = alerts;
      continue;
    }
    return { group, row, evaluation, verdict: evaluation.verdict, alerts, head: next, state };
  }
  throw new StoreError(`cluster ${row.clusterName}: other runs kept writing it`);
}

function isSame(a: Alert, b: Alert): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** What stands on no report. */
const noTime = { scannedAtMs: 0 };

/** Whether it is of a time that is not yet: some clock is wrong. */
function isAhead({ scannedAtMs = 0 }: { readonly scannedAtMs?: number | undefined }, nowMs: number): boolean {
  return scannedAtMs > nowMs + clockSkewMs;
}

function withTime(evaluation: Evaluation, scannedAtMs: number): Evaluation {
  return { ...evaluation, report: { ...evaluation.report, scannedAtMs } };
}

function unseen({ seen: _, ...evaluation }: Evaluation): Evaluation {
  return evaluation;
}

/** By rule, so that findings that are new can be named, and groups are followed as they were. */
function knownOf(alerts: readonly Alert[]): ReadonlyMap<string, KnownOfRule> {
  const known = new Map<string, { identities: Set<number>; groups: { single: Set<number>; hasRest: boolean } }>();
  for (const { rule, identities, state, group, rest } of alerts) {
    const ofRule = known.get(rule) ?? { identities: new Set(), groups: { single: new Set(), hasRest: false } };
    for (const identity of identities) ofRule.identities.add(identity);
    if (state === 'firing' && rest !== undefined) ofRule.groups.hasRest = true;
    else if (state === 'firing' && Object.keys(group).length > 0) ofRule.groups.single.add(groupNumber(group));
    known.set(rule, ofRule);
  }
  return known;
}

function isUnchanged(head: Head, row: ClusterRow, policy: Policy): boolean {
  return head.reportId === row.reportId && head.listedAtMs === row.scannedAtMs && head.policyDigest === policy.digest;
}

/** Whether a waiver has ended or begun since: what it covers is not known without the report. */
function hasTurned(
  { judged: { atMs } = { atMs: 0, verdict: 'undetermined' } }: Head,
  { policy, nowMs }: Judge,
): boolean {
  const isSince = (ms = 0) => ms > atMs && ms <= nowMs;
  return policy.waivers.some(({ granted, expires }) => isSince(granted) || isSince(expires));
}

/** What the report proves it proves still, however old it is. */
function staleness(row: ClusterRow, { scannedAtMs, judged }: Head, judge: Judge): Evaluation | undefined {
  const reason = stalenessOf(scannedAtMs, judge.nowMs, judge.policy.maxReportAgeMs);
  if (reason === undefined) return undefined;
  const cluster = { id: row.clusterId, name: row.clusterName, category: row.category };
  const known = {
    ...(row.reportId !== undefined && { reportId: row.reportId }),
    ...(row.scannedAtMs !== undefined && { listedAtMs: row.scannedAtMs }),
  };
  const evaluation = undetermined(cluster, [reason], judge, known);
  return judged?.verdict === 'fail' ? { ...evaluation, verdict: judged.verdict } : evaluation;
}

function nextHead(
  head: Head | undefined,
  row: Followed['row'],
  evaluation: Evaluation,
  coverage: Head['coverage'],
  isNewer: boolean,
  nowMs: number,
  policy: Policy,
): Head | undefined {
  const { report, seen, verdict } = evaluation;
  // Nothing was read: what is known of the report before stays.
  if (seen === undefined || report.scannedAtMs === undefined) {
    return head && { ...head, clusterName: row.clusterName, verdict, reviewAtMs: nowMs };
  }
  return {
    clusterName: row.clusterName,
    reportId: report.id,
    scannedAtMs: report.scannedAtMs,
    listedAtMs: row.scannedAtMs,
    policyDigest: policy.digest,
    reviewAtMs: reviewAtMs(evaluation, policy, nowMs),
    judged: { atMs: nowMs, verdict },
    verdict,
    coverage,
    images: seen.images,
    imagesBefore: isNewer ? head?.images : head?.imagesBefore,
  };
}

/** When the same report may be judged otherwise: it is too old, or a waiver ends or begins to count. What could not be judged is looked at again with every run. */
function reviewAtMs(evaluation: Evaluation, policy: Policy, nowMs: number): number {
  const { report, reasons, waivers } = evaluation;
  if (reasons.some(({ kind }) => kind !== 'report-stale' && kind !== 'count-mismatch' && kind !== 'count-missing'))
    return nowMs;
  const staleMs = (report.scannedAtMs ?? 0) + policy.maxReportAgeMs + 1;
  const statuses = new Map(waivers.map(({ id, status }) => [id, status]));
  const turns = policy.waivers.flatMap(({ id, granted, expires }) => {
    const status = statuses.get(id);
    if (status === 'used') return [expires];
    return status === 'pending' && granted !== undefined ? [granted] : [];
  });
  return Math.min(...[staleMs, ...turns].filter((ms) => ms > nowMs), Number.MAX_SAFE_INTEGER);
}

async function save(
  store: StateStore,
  group: string,
  state: ClusterState,
  alerts: readonly Alert[],
  head: Head | undefined,
  options: FollowOptions,
  nowMs: number,
): Promise<boolean> {
  for (const alert of alerts) {
    const known = state.alerts.get(alert.fingerprint);
    const isOver = alert.state === 'over';
    const keptMs = Math.max(
      options.forgetAfterMs,
      isOver && isBelievedToFire(state, alert.fingerprint) ? untoldForMs : 0,
    );
    const expiresAtMs = isOver ? (alert.overMs ?? nowMs) + keptMs : undefined;
    if (known?.value === alert && known.expiresAtMs === expiresAtMs) continue;
    const record = { key: alertKey(alert.fingerprint), value: alert, expiresAtMs };
    if ((await store.put(group, record, known?.version ?? 0, nowMs)) === undefined) return false;
  }
  if (head === undefined || JSON.stringify(head) === JSON.stringify(state.head?.value)) return true;
  return (await store.put(group, { key: headKey, value: head }, state.head?.version ?? 0, nowMs)) !== undefined;
}
