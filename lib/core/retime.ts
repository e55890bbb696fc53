import { clockSkewMs, formatDuration } from './duration.ts';
import { type Evaluation, type Reason, type RuleResult, verdictOf } from './evaluation.ts';
import type { Policy } from './policy/parse.ts';
import { minuteOf } from './render/words.ts';
import { isExpiringAt } from './waivers.ts';

/** Not older than anything: of an evaluation that is to be kept, and gets its age when it is asked for. */
export const anyAge = Number.MAX_SAFE_INTEGER;

/**
 * What judging the same report at another time would give.
 * @param kept made with `maxReportAgeMs: anyAge`, of a report that was read to its end
 * @returns undefined where the report has to be read again: a waiver that counts has ended or begun since
 */
export function retime(
  kept: Evaluation,
  policy: Policy,
  askedMs: number,
  options: { readonly maxReportAgeMs?: number | undefined; readonly strict?: boolean | undefined },
): Evaluation | undefined {
  const { report, evaluatedAtMs } = kept;
  if (report.scannedAtMs === undefined || askedMs < evaluatedAtMs - clockSkewMs) return undefined;
  // Clocks differ, and whoever waits for an answer asked before it was made.
  const nowMs = Math.max(askedMs, evaluatedAtMs);
  const has = (atMs: number) => atMs > evaluatedAtMs && atMs <= nowMs;
  const turned = policy.waivers.filter(
    ({ granted, expires }) => has(expires) || (granted !== undefined && has(granted)),
  );
  const counts = (id: string) => kept.waivers.some((waiver) => waiver.id === id && waiver.count > 0);
  if (turned.some(({ id }) => counts(id))) return undefined;

  const ageMs = nowMs - report.scannedAtMs;
  // By the clock of who asks it may be of the future, which by that of who looked it was not.
  if (askedMs - report.scannedAtMs < -clockSkewMs) return undefined;
  // What was not read has no age.
  const stale =
    report.digest === ''
      ? undefined
      : staleness(report.scannedAtMs, nowMs, options.maxReportAgeMs ?? policy.maxReportAgeMs);
  const rules = stale === undefined ? kept.rules : kept.rules.map(doubted);
  const reasons = stale === undefined ? kept.reasons : [stale, ...kept.reasons];
  return {
    ...kept,
    verdict: verdictOf(rules, reasons, options.strict === true),
    report: { ...report, ageSeconds: Math.floor(ageMs / 1000) },
    evaluatedAtMs: nowMs,
    rules,
    reasons,
    waivers: kept.waivers.map((waiver) => {
      const { granted = 0 } = policy.waivers.find(({ id }) => id === waiver.id) ?? {};
      const isOver = waiver.expiresAtMs <= nowMs;
      const status = waiver.count > 0 ? waiver.status : isOver ? 'expired' : granted > nowMs ? 'pending' : 'unused';
      return { ...waiver, status, isExpiring: isExpiringAt(waiver.expiresAtMs, granted, nowMs) };
    }),
  };
}

/** Why a report is too old, if it is: in words that stay true however long they are remembered. */
export function staleness(scannedAtMs: number, nowMs: number, allowedMs: number): Reason | undefined {
  if (nowMs - scannedAtMs <= allowedMs) return undefined;
  const scanned = minuteOf(scannedAtMs) ?? 'at no time that can be told';
  const message = `the report was scanned ${scanned}, longer ago than the ${formatDuration(allowedMs)} that are allowed`;
  return { kind: 'report-stale', message };
}

/** The same by a report that turned out not to suffice. */
export function doubtedFor(reason: Reason, evaluation: Evaluation, strict: boolean): Evaluation {
  const rules = evaluation.rules.map(doubted);
  const reasons = [reason, ...evaluation.reasons];
  return { ...evaluation, verdict: verdictOf(rules, reasons, strict), rules, reasons };
}

/** Nothing passes by a report that does not suffice, and nothing is called fixed. */
function doubted(rule: RuleResult): RuleResult {
  const status = rule.status === 'pass' ? 'undetermined' : rule.status;
  return { ...rule, status, ...(rule.since && { since: { ...rule.since, fixed: 0 } }) };
}
