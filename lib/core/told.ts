import type { Alert } from './alerts.ts';
import { clockSkewMs } from './duration.ts';
import { type FindingSeverity, type RuleSeverity, ruleSeverities, severityRank } from './severity.ts';

/** What a receiver last heard of an alert. */
export interface Told {
  readonly state: Alert['state'];
  readonly episode: number;
  readonly severity: RuleSeverity;
  /** Under which it was told to fire, or may have been; absent: under `severity` alone. */
  readonly severities?: readonly RuleSeverity[];
  readonly count: number;
  /** Of the worst finding then; absent: findings of its kind have none. */
  readonly worst?: FindingSeverity;
  readonly identities: readonly number[];
  readonly distinct: number;
  /** When it was told; epoch milliseconds. */
  readonly atMs: number;
  /** How often it was repeated since it last changed. */
  readonly repeats: number;
  /** It was not told at all, as the receiver asked, but taken for known. */
  readonly isQuiet?: true;
  /** In a run since then a silence muted it while it fired. */
  readonly isMuted?: true;
  /** It was not told: for this cause it is routed elsewhere, for another one it may be routed here. */
  readonly unsaid?: Cause;
}

/** What was to be told of an alert, and why, when that was given up. The receiver has not heard it. */
export type GivenUp = Told & { readonly cause: Cause };

/** What a receiver was told of a cluster: by the alert's fingerprint. Written only after it accepted the message. */
export interface DeliveryLog {
  readonly told: Readonly<Record<string, Told>>;
  /** What it has not heard, and is not owed until there is more to tell, by the alert's fingerprint. */
  readonly givenUp?: Readonly<Record<string, GivenUp>>;
  readonly tried?: Readonly<Record<string, Tried>>;
  /** The first look, while it is not known whether it took the message that there was nothing to tell then. */
  readonly look?: string;
}

/**
 * What a receiver may know, since it was sent to it, and the run died or no answer came: of each state of the alert the
 * last that was tried. Who may have heard that it fires is told that it is over, and the other way round.
 */
export type Tried = Readonly<
  Partial<Record<Alert['state'], Pick<Told, 'episode' | 'severity' | 'severities' | 'count' | 'atMs'>>>
>;

/**
 * Why an alert is told, most urgent first.
 *
 * - `new`: it fires, and the receiver knows nothing of it
 * - `standing`: as `new`, when it stood already at the first look at the cluster, or among groups that were followed together
 * - `waiver-expired`: it fires again, since a waiver expired
 * - `reopened`: it fires again, after it was told to be over
 * - `worse`: more findings, others than before, or a higher severity, of the rule or of a finding
 * - `reminder`: it stands as it was told, for a while, or since before a silence that muted it and is over
 * - `better`: fewer findings than it was told; only beside other news of the cluster
 * - `policy-changed`, `regrouped`, `waived`, `resolved`: it is over, and why
 */
export const causes = [
  'new',
  'standing',
  'waiver-expired',
  'reopened',
  'worse',
  'reminder',
  'better',
  'policy-changed',
  'regrouped',
  'waived',
  'resolved',
] as const;

export type Cause = (typeof causes)[number];

export function isReturn(cause: Cause | undefined): boolean {
  return cause === 'reopened' || cause === 'waiver-expired';
}

/** What was told by a clock that ran ahead, was told now: else nothing would be repeated until then. */
export function atMost<T extends Told>(told: T | undefined, nowMs: number): T | undefined {
  return told !== undefined && told.atMs > nowMs + clockSkewMs ? { ...told, atMs: nowMs } : told;
}

/** A log is one record of at most 350 kB: with many alerts that fire less is kept of each. */
export function identitiesToldOf(firing: number): number {
  const bytesOfEach = Math.floor(300_000 / Math.max(1, firing)) - 350;
  return Math.max(0, Math.min(2000, Math.floor(bytesOfEach / 16)));
}

/** What was told while fewer alerts fired has to have room beside all of them. */
export function bounded<T extends Told>(told: T | undefined, keep: number): T | undefined {
  return told === undefined || told.identities.length <= keep
    ? told
    : { ...told, identities: told.identities.slice(0, keep) };
}

/** What the receiver knows of an alert; where it may have heard the opposite of how the alert stands, that. */
export function believed(alert: Alert, known: Told | undefined, tried: Tried | undefined): Told | undefined {
  const opposite = alert.state === 'over' ? 'firing' : 'over';
  const maybe = tried?.[opposite];
  if (maybe === undefined || (known?.state === opposite && known.unsaid === undefined)) return known;
  return { state: opposite, ...maybe, identities: [], distinct: 0, repeats: 0 };
}

/** Told that there are fewer findings than before, it may know that or not: more than the lower number is worse. */
export function fewest(alert: Alert, known: Told | undefined, tried: Tried | undefined): Told | undefined {
  const maybe = tried?.firing;
  if (known?.state !== 'firing' || maybe === undefined || maybe.episode !== known.episode) return known;
  return alert.count > maybe.count && maybe.count < known.count ? { ...known, count: maybe.count } : known;
}

export function isWorse(alert: Alert, told: Told): boolean {
  return (
    alert.count > told.count ||
    ruleSeverities.indexOf(alert.severity) < ruleSeverities.indexOf(told.severity) ||
    hasRisen(alert, told) ||
    newIdentities(alert, told).length > 0
  );
}

/** Whether there is a finding of a higher severity than the receiver has heard of. */
export function hasRisen(alert: Alert, told: Told): boolean {
  const worst = worstOf(alert);
  return worst !== undefined && told.worst !== undefined && severityRank(worst) < severityRank(told.worst);
}

/** Findings are named worst first. */
export function worstOf({ worst }: Alert): FindingSeverity | undefined {
  return worst[0]?.fields.severity as FindingSeverity | undefined;
}

/**
 * Which findings the receiver has not heard of. Of a set that is too large only the smallest identities are known: only
 * among those can it be said what is new.
 */
export function newIdentities(
  now: Pick<Alert, 'identities' | 'distinct'>,
  before: Pick<Alert, 'identities' | 'distinct'>,
): readonly number[] {
  const known = new Set(before.identities);
  const isWhole = before.distinct <= before.identities.length;
  const reach = isWhole ? Number.POSITIVE_INFINITY : (before.identities.at(-1) ?? 0);
  return now.identities.filter((identity) => identity <= reach && !known.has(identity));
}

export function toldNow(alert: Alert, before: Told | undefined, cause: Cause, keep: number, nowMs: number): Told {
  const { state, episode, severity, count, distinct } = alert;
  const identities = state === 'over' ? [] : alert.identities.slice(0, keep);
  const repeated = before?.repeats ?? 0;
  const repeats = cause === 'reminder' ? repeated + 1 : cause === 'better' ? repeated : 0;
  const worst = worstOf(alert);
  return {
    state,
    episode,
    severity,
    count,
    ...(worst !== undefined && { worst }),
    identities,
    distinct: state === 'over' ? 0 : distinct,
    atMs: nowMs,
    repeats,
  };
}

/** What others are told of an alert that goes on firing puts off no reminder here. */
export function toldElsewhere(now: Told, before: Told | undefined, cause: Cause): Told {
  if (before?.state !== 'firing' || now.state !== 'firing' || cause === 'reminder') return now;
  const { atMs, repeats, isQuiet } = before;
  return { ...now, atMs, repeats, ...(isQuiet === true && { isQuiet }) };
}

/** Of several numbers that may have been told the lowest: more than that is worse. Of severities all. */
export function triedNow({ state, episode, severity, count, atMs }: Told, tried: Tried | undefined) {
  const before = tried?.[state];
  const severities = [...new Set([severity, ...severitiesTried(tried)])];
  return {
    episode,
    severity,
    ...(state === 'firing' && severities.length > 1 && { severities }),
    count: before?.episode === episode ? Math.min(before.count, count) : count,
    atMs,
  };
}

/** Under which the receiver was told that it fires. */
export function severitiesOf(known: Told | undefined): readonly RuleSeverity[] {
  if (known?.state !== 'firing') return [];
  const isSaid = known.unsaid === undefined && known.isQuiet !== true;
  return known.severities ?? (isSaid ? [known.severity] : []);
}

/** Under which it may have been. */
export function severitiesTried(tried: Tried | undefined): readonly RuleSeverity[] {
  const maybe = tried?.firing;
  return maybe === undefined ? [] : (maybe.severities ?? [maybe.severity]);
}
