import { hash } from 'node:crypto';
import type { Evaluation, ReasonKind, RuleResult } from '../core/evaluation.ts';
import type { ClusterRow } from '../core/report.ts';
import { anyAge } from '../core/retime.ts';
import { type Question, timeOfBody } from './judge.ts';
import type { Shareable } from './shared.ts';

/** By report and by what is asked of it: the same question about the same report has the same answer, age aside. */
export function evaluationKey(source: string, row: ClusterRow, { policy, nowMs, options = {} }: Question): string {
  const { images, strict, baseline, track } = options;
  const wanted = images?.map(({ text }) => text).sort();
  // A waiver that ends or begins makes it another question.
  const inForce = policy.waivers
    .filter(({ granted, expires }) => expires > nowMs && (granted ?? 0) <= nowMs)
    .map(({ id }) => id);
  const asked = [wanted ?? null, strict === true, baseline ?? null, track ?? null];
  const question = JSON.stringify([policy.digest, inForce, ...asked]);
  return `evaluation/${digestOf(`${reportText(source, row)} ${question}`)}`;
}

/** By report alone: who reads it answers all that is asked of it. */
export function reportKey(source: string, row: ClusterRow): string {
  return `report/${digestOf(reportText(source, row))}`;
}

function reportText(source: string, { clusterId, reportId, scannedAtMs, counts, isAtRisk }: ClusterRow): string {
  return JSON.stringify([source, clusterId, reportId, scannedAtMs, counts, isAtRisk].map((of) => of ?? null));
}

function digestOf(text: string): string {
  return hash('sha256', text, 'hex').slice(0, 40);
}

/** The report may read otherwise the next time. */
const doubtful: ReadonlySet<ReasonKind> = new Set([
  'source-unreachable',
  'source-throttled',
  'report-missing',
  'report-truncated',
  'report-unreadable',
]);

/**
 * To be kept as the answer for a row: without what alert memory asked for.
 * @param doubtfulFreshMs how long it stands in for another try at what could not be read
 * @param isForBaseline what a baseline is made of is kept too
 */
export function kept(
  evaluation: Evaluation,
  row: ClusterRow,
  doubtfulFreshMs: number,
  isForBaseline = false,
): Shareable<Evaluation> {
  const { seen: _seen, ...rest } = evaluation;
  const value = { ...rest, rules: isForBaseline ? evaluation.rules : evaluation.rules.map(withoutTracking) };
  const { scannedAtMs } = evaluation.report;
  // The row of a newer report is on its way.
  const isOfAnother = scannedAtMs !== undefined && timeOfBody(row, scannedAtMs) !== 'same';
  const isDoubtful = isOfAnother || evaluation.reasons.some(({ kind }) => doubtful.has(kind));
  return { value, freshMs: isDoubtful ? doubtfulFreshMs : anyAge };
}

function withoutTracking(result: RuleResult): RuleResult {
  const { definition: _d, violations: _v, waivedGroups: _w, breaking: _b, ...rule } = result;
  return rule;
}
