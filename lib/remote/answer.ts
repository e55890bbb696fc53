import { clockSkewMs, parseDuration } from '../core/duration.ts';
import { InputError } from '../core/errors.ts';
import {
  type Enforce,
  type Evaluation,
  httpStatuses,
  type Reason,
  type RuleResult,
  verdictOf,
} from '../core/evaluation.ts';
import { keyTwice } from '../core/key-twice.ts';
import { terminalText } from '../core/render/escape.ts';
import { listNames } from '../core/report.ts';
import { parseResult } from '../core/result.ts';

/** What is asked of a deployed gate. The fields of its request, see docs/gate.md. */
export interface RemoteRequest {
  readonly cluster: string;
  readonly source?: string | undefined;
  readonly policy?: string | undefined;
  readonly images?: readonly string[] | undefined;
  readonly max_age?: string | undefined;
  readonly strict?: boolean | undefined;
  readonly baseline?: 'previous' | undefined;
  readonly write_baseline?: 'previous' | undefined;
  readonly on_undetermined?: 'fail' | 'pass' | undefined;
}

/** What came back. */
export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

/** The answer of a deployed gate makes no sense: no verdict, exit code 4. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
}

/**
 * The verdict in an answer. What is no verdict is undetermined, or an error, and never a pass: status and body have to say
 * the same, of the cluster that was asked about.
 *
 * @param gate what was asked, for people
 * @throws {InputError} the gate says that the request is wrong
 * @throws {RemoteError} the gate failed, or answered with something else
 */
export function readAnswer(
  { status, body }: RawAnswer,
  request: RemoteRequest,
  gate: string,
  nowMs: number,
): Evaluation {
  const evaluation = parseResult(body);
  if (evaluation !== undefined) {
    const expected = evaluation.isLetThrough ? httpStatuses.pass : httpStatuses[evaluation.verdict];
    if (status !== expected)
      throw new RemoteError(`${gate}: answered ${status}, and a verdict that is none: ${evaluation.verdict}`);
    const twice = keyTwice(body);
    if (twice !== undefined)
      throw new RemoteError(
        `${gate}: answered with ${terminalText(twice, 60)} twice in one object, which is no verdict`,
      );
    const odd = contradiction(evaluation, request, nowMs);
    if (odd !== undefined) throw new RemoteError(`${gate}: ${odd}`);
    const { id, name } = evaluation.cluster;
    if (id !== request.cluster && name !== request.cluster)
      throw new RemoteError(`${gate}: answered about another cluster, ${terminalText(name || id, 100)}`);
    if (evaluation.isLetThrough && evaluation.verdict !== 'undetermined')
      throw new RemoteError(`${gate}: let a verdict through that is not undetermined: ${evaluation.verdict}`);
    if (evaluation.isLetThrough && request.on_undetermined !== 'pass')
      throw new RemoteError(`${gate}: let an undetermined verdict through, which was not asked for`);
    return evaluation;
  }
  const said = errorMessage(body);
  if (status === 400 && said !== undefined) throw new InputError(`${gate}: ${said}`);
  if (status === 500 && said !== undefined) throw new RemoteError(`${gate}: ${said}`);
  const why = silence[status];
  if (why === undefined) throw new RemoteError(`${gate}: answered ${status} with something that is no verdict`);
  return unanswered(
    request,
    { kind: status === 429 ? 'source-throttled' : 'source-unreachable', message: `${gate}: ${why}` },
    nowMs,
  );
}

/** How much clocks may differ, and an answer may take. */
const skewMs = 15 * 60_000;

/** What in an answer cannot be, or is not what was asked for; whatever it is, it is no pass. */
function contradiction(evaluation: Evaluation, request: RemoteRequest, nowMs: number): string | undefined {
  const { verdict, rules, reasons, policy, report, evaluatedAtMs } = evaluation;
  if (verdictOf(rules, reasons, request.strict === true) !== verdict)
    return `its verdict, ${verdict}, is not that of its rules and reasons`;
  const ids = new Set<string>();
  for (const rule of rules) {
    const odd = ids.has(rule.id) ? 'is there twice' : oddRule(rule, verdict);
    if (odd !== undefined) return `rule ${terminalText(rule.id, 64)} ${odd}`;
    ids.add(rule.id);
  }
  const odd = oddWaiver(evaluation);
  if (odd !== undefined) return odd;
  const { stored } = evaluation;
  if (stored !== undefined && report.scannedAtMs !== undefined && stored.atMs < report.scannedAtMs - clockSkewMs)
    return 'it was worked out before the report was made';
  const compares = rules.some(({ since }) => since !== undefined);
  if (compares && request.baseline === undefined) return 'it compares with a baseline, and was not asked to';
  if (compares && (evaluation.baseline === undefined || evaluation.baseline === 'none'))
    return 'it does not say what it compared with';
  if (request.policy !== undefined && policy.name !== request.policy)
    return `it judged by policy ${terminalText(policy.name, 64)}, and not by ${request.policy}`;
  // One that says of no images nothing is known of could be about all.
  const asked = [...(request.images ?? [])].sort();
  if (reasons.length === 0 && asked.join('\n') !== (evaluation.images ?? []).join('\n'))
    return asked.length === 0
      ? 'it is about some images, and was asked about all'
      : 'it is not about the images asked for';
  if (Math.abs(nowMs - evaluatedAtMs) > skewMs) return 'its answer is of another time, or a clock is wrong';
  if (request.baseline === 'previous' && verdict !== 'undetermined' && evaluation.baseline === undefined)
    return 'it does not say what it compared with, and was asked to';
  const { scannedAtMs, ageSeconds } = report;
  const ageMs = scannedAtMs === undefined ? undefined : evaluatedAtMs - scannedAtMs;
  if (ageMs !== undefined && ageSeconds !== undefined && Math.abs(ageMs - ageSeconds * 1000) > 1000)
    return 'the age of the report is not what its times make it';
  if (verdict !== 'pass') return undefined;
  if (rules.length === 0) return 'it passes, and judged by no rule';
  if (scannedAtMs === undefined || ageMs === undefined) return 'it passes, and does not say of when the report is';
  if (report.id === '' || report.digest === '') return 'it passes, and does not say by which report';
  if (ageMs < -clockSkewMs) return 'it passes by a report of the future';
  if (scannedAtMs < earliestMs) return 'it passes by a report of before 2000';
  const allowedMs = request.max_age === undefined ? undefined : parseDuration(request.max_age);
  if (allowedMs !== undefined && ageMs > allowedMs) return 'it passes by a report that is too old';
  return undefined;
}

/** No cluster was checked before; a time in other units is. */
const earliestMs = Date.UTC(2000, 0, 1);

const broken: Readonly<Partial<Record<RuleResult['status'], Enforce>>> = {
  fail: 'block',
  warn: 'warn',
  observed: 'observe',
};

/** What in the result of a rule cannot be. */
function oddRule(rule: RuleResult, verdict: Evaluation['verdict']): string | undefined {
  const { status, enforce, count, max, per, groups = [], omittedGroups = 0, since, findings, omitted } = rule;
  if (findings.length > count) return `names ${findings.length} findings, and has found ${count}`;
  if (status === 'pass' && per === undefined && count > max) return `passes with ${count} found and ${max} allowed`;
  if (status === 'pass' && groups.length + omittedGroups > 0) return 'passes, and names groups that break it';
  const wanted = broken[status] ?? enforce;
  // Of what a baseline knows.
  const isEased = status === 'observed' && since?.new === 0;
  if (wanted !== enforce && !isEased) return `is ${status} with enforce: ${enforce}`;
  if (verdict === 'pass' && status === 'undetermined' && enforce !== 'observe')
    return 'cannot be judged, and the verdict is pass';
  if (findings.length + omitted !== count)
    return `names ${findings.length} findings and leaves out ${omitted}, and has found ${count}`;
  return undefined;
}

/** What in the waivers cannot be. */
function oddWaiver({ waivers, rules }: Evaluation): string | undefined {
  const used = new Set<string>();
  for (const { id, status, rule } of waivers) {
    const of = rules.find((one) => one.id === rule);
    if (status === 'over-broad' && of?.status === 'pass')
      return `waiver ${terminalText(id, 64)} covers more than it was granted for, and its rule passes`;
    if (status === 'used' || status === 'over-broad') used.add(id);
  }
  for (const { id, waived, waivedFindings } of rules) {
    if (waivedFindings.length > waived)
      return `rule ${terminalText(id, 64)} names ${waivedFindings.length} waived findings, and waived ${waived}`;
    const unknown = waivedFindings.find(({ waiver }) => !used.has(waiver));
    if (unknown !== undefined)
      return `rule ${terminalText(id, 64)} has a finding waived by ${terminalText(unknown.waiver, 64)}, which waives nothing`;
  }
  return undefined;
}

/** Statuses of what stands before the gate. */
const silence: Readonly<Record<number, string>> = {
  403: 'the caller may not ask it (403): it needs lambda:InvokeFunction, or lambda:InvokeFunctionUrl for a URL',
  404: 'there is no such gate (404): check the name, the region and the account',
  429: 'it is asked too often at once (429), and did not answer',
  502: 'it did not answer (502)',
  503: 'it did not answer (503)',
  504: 'it did not answer in time (504)',
};

function errorMessage(body: string): string | undefined {
  try {
    const { error } = JSON.parse(body) as { error?: { message?: unknown } };
    return typeof error?.message === 'string' ? terminalText(error.message, 600) : undefined;
  } catch {
    return undefined;
  }
}

/** Nothing is known of the cluster. */
export function unanswered({ cluster, policy = '' }: RemoteRequest, reason: Reason, nowMs: number): Evaluation {
  const counts = Object.fromEntries(listNames.map((list) => [list, { reported: undefined, listed: 0 }]));
  return {
    verdict: 'undetermined',
    cluster: { id: '', name: cluster, category: '' },
    report: { id: '', scannedAtMs: undefined, ageSeconds: undefined, digest: '' },
    policy: { name: policy, digest: '' },
    evaluatedAtMs: nowMs,
    rules: [],
    reasons: [reason],
    notes: [],
    waivers: [],
    counts: counts as unknown as Evaluation['counts'],
  };
}
