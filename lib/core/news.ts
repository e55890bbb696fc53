import { type Alert, lapsedAfter } from './alerts.ts';
import type { OwedItem } from './deliveries.ts';
import type { NamedFinding } from './named-finding.ts';
import type { AlertNews, ClusterNews, NewFinding } from './notice.ts';
import { type Cause, hasRisen, newIdentities, worstOf } from './told.ts';

/** Findings that are named in the news of one alert. */
const namedInNews = 20;

const begins: readonly Cause[] = ['new', 'standing', 'waiver-expired', 'reopened'];

export interface NewsContext {
  readonly cluster: { readonly id: string; readonly name: string };
  readonly policy: string;
  readonly reportId: string;
  readonly scannedAtMs: number | undefined;
  readonly page?: string | undefined;
  /** Those of the cluster that the receiver knows to fire. */
  readonly alerts: readonly Alert[];
  /** The policy author's sentences, by rule. */
  readonly messages: ReadonlyMap<string, string>;
}

/** What is owed to a receiver, in the terms of a message. */
export function newsOf(items: readonly OwedItem[], context: NewsContext): ClusterNews {
  const told = new Set(items.map(({ alert }) => alert.fingerprint));
  return {
    cluster: context.cluster,
    policy: context.policy,
    reportId: context.reportId,
    scannedAtMs: context.scannedAtMs,
    ...(context.page !== undefined && { page: context.page }),
    news: items.map((item) => alertNews(item, context.messages)),
    standing: context.alerts.filter(({ state, fingerprint }) => state === 'firing' && !told.has(fingerprint)).length,
  };
}

/** @param messages the policy author's sentences, by rule */
export function alertNews(
  { alert, cause, told: before, silencedUntilMs, severitiesBefore }: OwedItem,
  messages: NewsContext['messages'],
): AlertNews {
  // Of what was told to be over, or not told at all, the receiver takes nothing to be there.
  const told = before?.state === 'firing' && !begins.includes(cause) ? before : undefined;
  const {
    fingerprint,
    rule,
    on,
    severity,
    group,
    count,
    max,
    waived,
    sinceMs,
    backMs,
    overMs,
    held,
    reasons = [],
  } = alert;
  const message = messages.get(rule);
  const isOver = alert.state === 'over';
  const fresh = isOver ? [] : freshFindings(alert, told);
  const freshCount = isOver
    ? 0
    : told === undefined
      ? count
      : Math.max(newIdentities(alert, told).length, fresh.length);
  const gone = told === undefined ? [] : newIdentities(told, alert);
  const lapsed = cause === 'worse' && told !== undefined ? lapsedAfter(alert, told.atMs) : undefined;
  const expired = cause === 'waiver-expired' ? alert.expired : lapsed;
  const findings = fresh.slice(0, namedInNews).map(newFinding);
  return {
    fingerprint,
    cause,
    rule,
    on,
    severity,
    ...(severitiesBefore.length > 0 && { severitiesBefore }),
    group,
    ...(message !== undefined && { message }),
    count,
    max,
    waived,
    ...(before !== undefined && { before: before.count }),
    ...(told?.worst !== undefined &&
      !isOver &&
      hasRisen(alert, told) && { risen: { from: told.worst, to: worstOf(alert) ?? '' } }),
    ...(expired !== undefined && { expired }),
    ...(alert.isOfRest === true && { isOfRest: true }),
    ...(silencedUntilMs !== undefined && { wasSilenced: true }),
    sinceMs,
    ...(backMs !== undefined && { backMs }),
    ...(overMs !== undefined && { overMs }),
    findings,
    omitted: freshCount - findings.length,
    gone: isOver ? goneAtEnd(alert) : gone.length,
    goneFindings: (isOver ? alert.worst.slice(0, goneAtEnd(alert)) : goneFindings(alert, gone)).slice(0, namedInNews),
    reasons,
    ...(held !== undefined && { held }),
  };
}

/** Where some are allowed, some may be left, and which is not known. */
function goneAtEnd({ count, max, end }: Alert): number {
  return (max > 0 && end !== 'policy-changed') || end === 'regrouped' ? 0 : count;
}

/** Of an alert that the receiver knows, those of its worst findings that it does not. */
function freshFindings(alert: Alert, told: OwedItem['told']): readonly NamedFinding[] {
  if (told === undefined) return alert.worst;
  const fresh = new Set(newIdentities(alert, told));
  return alert.worst.filter(({ identity }) => fresh.has(identity));
}

/** Those that went, as far as they have names. */
function goneFindings(alert: Alert, gone: readonly number[]): readonly NamedFinding[] {
  const identities = new Set(gone);
  return alert.gone.filter(({ identity }) => identities.has(identity));
}

function newFinding({ fingerprint, fields, origin }: NamedFinding): NewFinding {
  return { fingerprint, fields, ...(origin !== undefined && { origin }) };
}
