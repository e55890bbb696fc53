import { hash } from 'node:crypto';
import type { Evaluation, Reason, ReasonKind, RuleResult, Violation } from './evaluation.ts';
import { groupNumber, textNumber } from './fingerprint.ts';
import { type NamedFinding, nameFinding } from './named-finding.ts';
import { originOf } from './origin.ts';
import type { FindingKind } from './report.ts';
import { type RuleSeverity, worstSeverity } from './severity.ts';

/**
 * Why an alert is over.
 *
 * - `resolved`: a newer report, sufficient to tell, does not show it any more
 * - `waived`: without waivers it would fire
 * - `policy-changed`: it is not watched for any more: the policy asks for something else, or the config leaves the cluster out
 * - `regrouped`: groups that were followed together are few enough to be followed one by one
 */
export type AlertEnd = 'resolved' | 'waived' | 'policy-changed' | 'regrouped';

/** How an alert came back that was over. */
export type AlertReturn = 'reopened' | 'waiver-expired';

export interface ExpiredWaivers {
  /** Their ids, some. */
  readonly waivers: readonly string[];
  readonly omitted: number;
}

export interface LapsedWaivers {
  readonly waivers: NonNullable<Violation['expired']>;
  readonly omitted: number;
}

/**
 * One thing that is wrong with a cluster, followed from run to run: a rule that its findings break, for a rule with `per`
 * one for each group; or that the cluster cannot be judged. All times are epoch milliseconds.
 */
export interface Alert {
  /** Identity, 32 hex digits over cluster, rule and group. Never of counts, texts or times. */
  readonly fingerprint: string;
  /** Empty for the alert that the cluster cannot be judged. */
  readonly rule: string;
  readonly on: FindingKind;
  readonly severity: RuleSeverity;
  /** Field to value, in the order of `per`; empty for a rule without. */
  readonly group: Readonly<Record<string, string | number>>;
  readonly state: 'firing' | 'over';
  readonly end?: AlertEnd;
  readonly back?: AlertReturn;
  /** The waivers that expired, when it is back for that; those that did last come first. */
  readonly expired?: ExpiredWaivers;
  /** Waivers of its findings that expired while it fired; those that did last come first. */
  readonly lapsed?: LapsedWaivers;
  /** From 1; counts up when it fires again so late that it is not the same matter. */
  readonly episode: number;
  /** When the episode began. */
  readonly sinceMs: number;
  /** When it came back last in this episode. */
  readonly backMs?: number;
  readonly overMs?: number;
  /** The scan time of the report that last changed or confirmed it; 0: none did. */
  readonly scannedAtMs: number;
  /** The policy that it was last judged by. */
  readonly policyDigest: string;
  /** `definitionOf` its rule then; absent: not known. */
  readonly definition?: string;
  /** It stands for the groups beyond those that are followed one by one: which, as in the violation. */
  readonly rest?: Violation['rest'];
  /** It came out of those. */
  readonly isOfRest?: true;
  readonly count: number;
  readonly max: number;
  readonly waived: number;
  /** Which findings: `identities` and `distinct` of the violation. */
  readonly identities: readonly number[];
  readonly distinct: number;
  /** Findings by name: the worst, and those that came last. */
  readonly worst: readonly NamedFinding[];
  /** Findings by name that went, the last ones. */
  readonly gone: readonly NamedFinding[];
  /** Why the newest report does not tell whether it is still there. It stands as it was. */
  readonly held?: ReasonKind;
  /** Of the alert that the cluster cannot be judged. */
  readonly reasons?: readonly Reason[];
}

export interface AlertOptions {
  /** An alert that fires again within this time after it was over, for any finding that it had, is reopened. */
  readonly reopenWithinMs: number;
  /** Nothing is asked for any more: what ends is not resolved. */
  readonly isDropped?: boolean;
  /** Nothing but its age is new of the report: what fires by it does so still. */
  readonly isOnlyOlder?: boolean;
  /** What the report before this one was judged by, and the image versions that it named, as far as that is known. */
  readonly last?: { readonly policyDigest: string; readonly images: readonly number[] | undefined } | undefined;
}

/**
 * Follow a cluster's alerts through an evaluation that was made with `track`.
 *
 * An alert ends only by evidence: a report newer than the one it stands on, by which its rule could be judged, or a policy
 * that changed. A report that is older than the one before says nothing.
 *
 * @param before all alerts of the cluster, those that are over included
 * @param doubt why the report is not sufficient to end anything, beyond what the evaluation says of itself
 * @returns all alerts of the cluster as they are now; the very same objects where nothing changed
 */
export function advance(
  before: readonly Alert[],
  evaluation: Evaluation,
  doubt: Reason | undefined,
  nowMs: number,
  options: AlertOptions,
): readonly Alert[] {
  const clusterId = evaluation.cluster.id || evaluation.cluster.name;
  const known = new Map(before.map((alert) => [alert.fingerprint, alert]));
  const after = new Map<string, Alert>();
  const scannedAtMs = evaluation.report.scannedAtMs ?? 0;
  const policyDigest = evaluation.policy.digest;
  const wasSufficient = known.get(alertFingerprint(clusterId, '', {}))?.state !== 'firing';

  for (const rule of evaluation.rules) {
    if (rule.status !== 'fail' && rule.status !== 'warn') continue;
    for (const violation of rule.violations ?? []) {
      const fingerprint = alertFingerprint(clusterId, rule.id, violation.group);
      const alert = known.get(fingerprint);
      const isSure = violation.expired === undefined && wasSufficient && options.last?.policyDigest === policyDigest;
      const isOfRest = isIn(known.get(alertFingerprint(clusterId, rule.id, {})), violation.group);
      const seen = {
        ...observed(rule, violation),
        ...((isOfRest || (alert?.state === 'firing' && alert.isOfRest === true)) && { isOfRest: true as const }),
        fingerprint,
        scannedAtMs,
        policyDigest,
      };
      const worst = seen.worst.map((finding) => withOrigin(finding, alert, seen, isSure, options));
      after.set(fingerprint, fire(alert, { ...seen, worst }, violation.expired, nowMs, options));
    }
  }
  for (const alert of before) {
    if (after.has(alert.fingerprint) || alert.rule === '') continue;
    const stays = alert.state === 'over' || options.isOnlyOlder === true;
    after.set(alert.fingerprint, stays ? alert : unseen(alert, evaluation, doubt, nowMs));
  }

  const reasons = [...evaluation.reasons, ...(doubt === undefined ? [] : [doubt])];
  const fingerprint = alertFingerprint(clusterId, '', {});
  const judged = followReasons(known.get(fingerprint), reasons, { fingerprint, evaluation, nowMs, options });
  if (judged !== undefined) after.set(fingerprint, judged);
  return [...after.values()];
}

/** Whether a group is one of those that an alert stands for; where not all of them are known, it is taken for one. */
function isIn(alert: Pick<Alert, 'state' | 'rest'> | undefined, group: Alert['group']): boolean {
  if (alert?.rest === undefined || alert.state === 'over' || Object.keys(group).length === 0) return false;
  const { identities, distinct } = alert.rest;
  return distinct > identities.length || identities.includes(groupNumber(group));
}

/** Identity of an alert: cluster, rule, group. */
export function alertFingerprint(clusterId: string, rule: string, group: Alert['group']): string {
  return hash('sha256', JSON.stringify([clusterId, rule, ...Object.entries(group).sort()]), 'hex').slice(0, 32);
}

type Observed = Pick<
  Alert,
  | 'fingerprint'
  | 'rule'
  | 'on'
  | 'severity'
  | 'group'
  | 'rest'
  | 'isOfRest'
  | 'count'
  | 'max'
  | 'waived'
  | 'identities'
  | 'distinct'
  | 'worst'
  | 'scannedAtMs'
  | 'policyDigest'
  | 'definition'
  | 'reasons'
>;

function observed(
  rule: RuleResult,
  violation: Violation,
): Omit<Observed, 'fingerprint' | 'scannedAtMs' | 'policyDigest'> {
  const { group, rest, count, waived, identities, distinct, worst } = violation;
  return {
    rule: rule.id,
    on: rule.on,
    severity: rule.severity,
    ...(rule.definition !== undefined && { definition: rule.definition }),
    max: rule.max,
    group,
    ...(rest !== undefined && { rest }),
    count,
    waived,
    identities,
    distinct,
    worst: worst.map((finding) => nameFinding(rule.on, finding)),
  };
}

/** @param isSure what this report shows and the one before did not is new, rather than asked for or seen only now */
function withOrigin(
  finding: NamedFinding,
  before: Alert | undefined,
  { on, max }: Observed,
  isSure: boolean,
  { last }: AlertOptions,
): NamedFinding {
  const { identities = [], distinct = 0, worst = [] } = before ?? {};
  if (identities.includes(finding.identity)) {
    const origin = worst.find(({ identity }) => identity === finding.identity)?.origin;
    return before?.state === 'firing' && origin !== undefined ? { ...finding, origin } : finding;
  }
  // As long as no more than are allowed are there, nobody notes which.
  const isKnownWhole = distinct <= identities.length && (before?.state === 'firing' || max === 0);
  const origin = originOf(on, finding, isSure && isKnownWhole, last?.images);
  return origin === undefined ? finding : { ...finding, origin };
}

function fire(
  before: Alert | undefined,
  seen: Observed,
  expired: Violation['expired'],
  nowMs: number,
  options: AlertOptions,
): Alert {
  if (before === undefined) {
    // A waiver outlives the memory of what it waives.
    const back = expiredSince(expired, nowMs - options.reopenWithinMs - 1);
    return { ...seen, gone: [], state: 'firing', ...back, episode: 1, sinceMs: nowMs };
  }
  // A report older than the one it stands on, out of its turn.
  if (seen.scannedAtMs < before.scannedAtMs) return before;
  if (before.state === 'firing') {
    const same = sameMatter(before, seen) && before.held === undefined;
    // Reasons may say the same in other words, as with another age.
    if (same && before.scannedAtMs === seen.scannedAtMs)
      return JSON.stringify(before.reasons) === JSON.stringify(seen.reasons)
        ? before
        : { ...before, ...(seen.reasons && { reasons: seen.reasons }) };
    const { episode, sinceMs, back, expired: of, backMs } = before;
    return {
      ...seen,
      ...named(before, seen),
      state: 'firing',
      episode,
      sinceMs,
      ...(back !== undefined && { back }),
      ...(of !== undefined && { expired: of }),
      ...lapsedSince(expired, backMs ?? sinceMs),
      ...(backMs !== undefined && { backMs }),
    };
  }
  const back = before.end === 'waived' ? expiredSince(expired, before.overMs ?? 0) : undefined;
  if (back !== undefined) {
    return {
      ...seen,
      gone: [],
      state: 'firing',
      ...back,
      episode: before.episode,
      sinceMs: before.sinceMs,
      backMs: nowMs,
    };
  }
  if (nowMs - (before.overMs ?? 0) <= options.reopenWithinMs && isSameMatter(before, seen)) {
    const { episode, sinceMs } = before;
    return { ...seen, gone: [], state: 'firing', back: 'reopened', episode, sinceMs, backMs: nowMs };
  }
  return { ...seen, gone: [], state: 'firing', episode: before.episode + 1, sinceMs: nowMs };
}

const mostWaivers = 10;
const mostLapsed = 100;

function lapsedSince(expired: Violation['expired'] = [], afterMs: number): Pick<Alert, 'lapsed'> {
  const lapsed = expired.filter(({ atMs }) => atMs > afterMs);
  if (lapsed.length === 0) return {};
  const waivers = lapsed.slice(0, mostLapsed);
  return { lapsed: { waivers, omitted: lapsed.length - waivers.length } };
}

/** The waivers of its findings that expired after a time at which it fired. */
export function lapsedAfter({ lapsed }: Alert, atMs: number): ExpiredWaivers | undefined {
  if (lapsed === undefined) return undefined;
  const after = lapsed.waivers.filter((one) => one.atMs > atMs);
  if (after.length === 0) return undefined;
  const waivers = after.slice(0, mostWaivers).map(({ waiver }) => waiver);
  const others = after.length === lapsed.waivers.length ? lapsed.omitted : 0;
  return { waivers, omitted: after.length - waivers.length + others };
}

/** Why it is back, when a waiver expired after a time. */
function expiredSince(
  expired: Violation['expired'] = [],
  afterMs: number,
): { readonly back: 'waiver-expired'; readonly expired: ExpiredWaivers } | undefined {
  const waivers = expired.filter(({ atMs }) => atMs > afterMs).map(({ waiver }) => waiver);
  if (waivers.length === 0) return undefined;
  const named = waivers.slice(0, mostWaivers);
  return { back: 'waiver-expired', expired: { waivers: named, omitted: waivers.length - named.length } };
}

/** Whether any of the findings is one that the alert had. Where that is not known it is taken for one. */
function isSameMatter(before: Alert, seen: Observed): boolean {
  const isWhole = [before, seen].every(({ identities, distinct }) => distinct > 0 && distinct <= identities.length);
  const had = new Set(before.identities);
  return !isWhole || seen.identities.some((identity) => had.has(identity));
}

/** Findings that an alert names, of those that are there and of those that went. */
const mostNamed = 40;
const mostGone = 20;

/** Names that are known stay, as long as their findings do; then they are names of what went. */
function named(before: Alert, seen: Observed): Pick<Alert, 'worst' | 'gone'> {
  const identities = new Set(seen.identities);
  const isThere = ({ identity }: NamedFinding) => identities.has(identity);
  const isNamed = new Set(seen.worst.map(({ identity }) => identity));
  const others = before.worst.filter((finding) => !isNamed.has(finding.identity));
  // Of a set that is too large not all identities are known, so that what is not among them may be there.
  const isWhole = seen.distinct <= seen.identities.length;
  return {
    worst: [...seen.worst, ...others.filter(isThere)].slice(0, mostNamed),
    gone: isWhole ? [...others, ...before.gone].filter((finding) => !isThere(finding)).slice(0, mostGone) : before.gone,
  };
}

function sameMatter(before: Alert, seen: Observed): boolean {
  return (
    before.count === seen.count &&
    before.max === seen.max &&
    before.waived === seen.waived &&
    before.severity === seen.severity &&
    before.policyDigest === seen.policyDigest &&
    before.definition === seen.definition &&
    before.distinct === seen.distinct &&
    before.identities.every((identity, i) => identity === seen.identities[i])
  );
}

/** A firing alert that the evaluation does not show. */
function unseen(alert: Alert, evaluation: Evaluation, doubt: Reason | undefined, nowMs: number): Alert {
  const { policy, report } = evaluation;
  const result = evaluation.rules.find((rule) => rule.id === alert.rule);
  const policyChanged = alert.policyDigest !== policy.digest;
  const isRedefined = policyChanged && alert.definition !== result?.definition;
  const over = (end: AlertEnd): Alert => {
    const { held: _held, back: _back, expired: _expired, lapsed: _lapsed, ...rest } = alert;
    const scannedAtMs = Math.max(alert.scannedAtMs, report.scannedAtMs ?? 0);
    return { ...rest, state: 'over', end, overMs: nowMs, scannedAtMs, policyDigest: policy.digest };
  };
  // The rule is gone, or only observes now.
  if (result === undefined || result.enforce === 'observe') return policyChanged ? over('policy-changed') : alert;
  const why = doubt?.kind ?? (result.status === 'undetermined' ? heldBy(evaluation, result.id) : undefined);
  // Another run has followed it by itself meanwhile.
  const rest = result.violations?.find((one) => one.rest !== undefined)?.rest;
  const isHidden = isIn({ state: 'firing', ...(rest && { rest }) }, alert.group);
  const held = why ?? (isHidden ? 'rule-unevaluable' : undefined);
  if (held !== undefined) return alert.held === held ? alert : { ...alert, held };
  const scannedAtMs = report.scannedAtMs ?? 0;
  if (scannedAtMs < alert.scannedAtMs) return alert;
  // What another rule would have to say of it nobody knows.
  if (isRedefined) return over('policy-changed');
  if (isWaived(alert, result)) return over('waived');
  if (result.violations?.some(({ group }) => isIn(alert, group))) return over('regrouped');
  if (scannedAtMs > alert.scannedAtMs) return over('resolved');
  return policyChanged ? over('policy-changed') : alert;
}

function heldBy(evaluation: Evaluation, rule: string): ReasonKind {
  const reason = evaluation.reasons.find(({ rules }) => rules === undefined || rules.includes(rule));
  return reason?.kind ?? 'rule-unevaluable';
}

/** Whether it would fire were it not for waivers. */
function isWaived(alert: Alert, { per, count, max, waived, waivedGroups = [] }: RuleResult): boolean {
  const { group, rest } = alert;
  if (per === undefined) return count + waived > max;
  if (rest !== undefined) return waivedGroups.some((other) => isIn(alert, other));
  const isSame = (other: Alert['group']) => per.every((field) => field in group && other[field] === group[field]);
  return waivedGroups.some(isSame);
}

/** The alert that a cluster cannot be judged, which lasts as long as there is any reason. */
function followReasons(
  before: Alert | undefined,
  reasons: readonly Reason[],
  {
    fingerprint,
    evaluation,
    nowMs,
    options,
  }: { fingerprint: string; evaluation: Evaluation; nowMs: number; options: AlertOptions },
): Alert | undefined {
  // Without a report there is no time that it stands for.
  const scannedAtMs = (evaluation.seen && evaluation.report.scannedAtMs) ?? before?.scannedAtMs ?? 0;
  if (reasons.length === 0) {
    // A report older than the one that did not suffice, out of its turn, does not suffice for it.
    if (before === undefined || before.state === 'over' || scannedAtMs < before.scannedAtMs) return before;
    const end = options.isDropped === true ? 'policy-changed' : 'resolved';
    return { ...before, state: 'over', end, overMs: nowMs, scannedAtMs };
  }
  // The same may be said in other words.
  const identities = new Set(reasons.flatMap(({ kind, of = [kind] }) => of));
  const undecided = evaluation.rules.filter((rule) => rule.status === 'undetermined');
  const seen: Observed = {
    fingerprint,
    rule: '',
    on: 'cluster',
    severity: worstSeverity(undecided.length > 0 ? undecided : evaluation.rules),
    group: {},
    count: reasons.length,
    max: 0,
    waived: 0,
    identities: [...identities].map((one) => textNumber(one)).sort((a, b) => a - b),
    distinct: identities.size,
    worst: [],
    scannedAtMs,
    policyDigest: evaluation.policy.digest,
    reasons: reasons.map(({ of: _, ...reason }) => reason),
  };
  return fire(before, seen, undefined, nowMs, options);
}
