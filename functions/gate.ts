import process from 'node:process';
import type { App } from '../lib/compose.ts';
import { InputError } from '../lib/core/errors.ts';
import { type Evaluation, httpStatuses } from '../lib/core/evaluation.ts';
import { jsonText } from '../lib/core/render/escape.ts';
import { largestResult, renderJson } from '../lib/core/render/json.ts';
import { bytesWithin } from '../lib/core/render/json-room.ts';
import { withDeadline } from './deadline.ts';
import { parseGateEvent } from './gate-event.ts';
import { addAnswer, gateMetrics } from './gate-metrics.ts';
import { createInstance, describeError, type Instance } from './instance.ts';
import type { Invocation } from './invocation.ts';
import { powertoolsLogging } from './logging.ts';
import type { RunMetrics } from './metrics.ts';

/** For a function URL and for a direct invocation alike. */
export interface GateAnswer {
  /** 200 pass, or undetermined and let through; 409 fail, 503 undetermined, 400 invalid input, 500 internal error. */
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The result as of `--format json`; with 400 and 500 `{"version":1,"error":{"kind","message"}}`. */
  readonly body: string;
}

/** Enough to render the verdict and to be given up in good time. */
const marginMs = 3_000;

const instance = createInstance(process.env, powertoolsLogging());
let metrics: Promise<RunMetrics> | undefined;

export function handler(event: unknown, invocation: Invocation): Promise<GateAnswer> {
  metrics ??= gateMetrics();
  return answerGate(event, invocation, instance, metrics);
}

/**
 * Whatever goes wrong is an answer, and no answer but that of a verdict is 200.
 * @param metrics absent: nobody counts
 */
export async function answerGate(
  event: unknown,
  invocation: Invocation,
  instance: Instance,
  metrics?: Promise<RunMetrics>,
): Promise<GateAnswer> {
  const answered = await answerEvent(event, invocation, instance);
  if (metrics !== undefined) await count(metrics, answered, instance);
  return answered.given;
}

interface Answered {
  readonly given: GateAnswer;
  /** Absent: there is no verdict. */
  readonly by?: { readonly evaluation: Evaluation; readonly app: App };
}

/** An answer is as good where it cannot be counted. */
async function count(metrics: Promise<RunMetrics>, { given, by }: Answered, { log }: Instance): Promise<void> {
  try {
    const opened = await metrics;
    addAnswer(opened, given.statusCode, by && { evaluation: by.evaluation, calls: by.app.hssCalls() });
    opened.publish();
  } catch (error) {
    log('warn', 'answer not counted', { error: describeError(error) });
  }
}

async function answerEvent(event: unknown, invocation: Invocation, instance: Instance): Promise<Answered> {
  const { log } = instance;
  instance.begin(invocation.awsRequestId);
  try {
    const request = parseGateEvent(event);
    const by = await withDeadline(invocation.getRemainingTimeInMillis(), marginMs, async (signal) => {
      const app = await instance.app();
      return { app, evaluation: await app.gate(request, Date.now(), signal) };
    });
    const { evaluation } = by;
    const given = verdictAnswer(evaluation);
    const { verdict, cluster, report } = evaluation;
    const letThrough = evaluation.isLetThrough && {
      letThrough: true,
      reasons: evaluation.reasons.map(({ kind }) => kind),
    };
    log(letThrough ? 'warn' : 'info', 'gate answered', {
      status: given.statusCode,
      verdict,
      cluster: cluster.name,
      report: report.id,
      ...letThrough,
    });
    return { given, by };
  } catch (error) {
    if (error instanceof InputError) {
      log('warn', 'invalid input', { status: 400, reason: error.message });
      return { given: answer(400, errorBody('invalid-input', error.message)) };
    }
    instance.discard();
    log('error', 'internal error, not a verdict', { status: 500, error: describeError(error) });
    const message = `internal error, not a verdict; the function's log has it under request ${invocation.awsRequestId}`;
    return { given: answer(500, errorBody('internal-error', message)) };
  }
}

function verdictAnswer(evaluation: Evaluation): GateAnswer {
  const { verdict, reasons } = evaluation;
  // An answer without a status would be a 200 of the function URL.
  if (!Object.hasOwn(httpStatuses, verdict)) throw new Error('there is no such verdict');
  const waits = reasons
    .filter(({ kind }) => kind === 'source-throttled')
    .map((reason) => reason.retryAfterMs ?? 60_000);
  const isThrottled = verdict === 'undetermined' && waits.length > 0;
  const headers = isThrottled ? { 'retry-after': String(Math.ceil(Math.max(...waits) / 1000)) } : undefined;
  const status = evaluation.isLetThrough ? httpStatuses.pass : httpStatuses[verdict];
  const body = renderJson(evaluation);
  if (bytesWithin(body) > largestResult)
    throw new InputError(
      `policy ${evaluation.policy.name}: its rules and waivers alone make a result that Lambda does not answer with (6 MB): they are too many, or their texts too long`,
    );
  return answer(status, body, headers);
}

function errorBody(kind: 'invalid-input' | 'internal-error', message: string): string {
  return `${jsonText({ version: 1, error: { kind, message } }, 2)}\n`;
}

function answer(statusCode: number, body: string, headers: Readonly<Record<string, string>> = {}): GateAnswer {
  return {
    statusCode,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body,
  };
}
