import process from 'node:process';
import { processPartialResponse, SqsFifoPartialProcessorAsync } from '@aws-lambda-powertools/batch';
import type { ScanSummary } from '../lib/app/scan.ts';
import { InputError } from '../lib/core/errors.ts';
import { openPages } from '../lib/pages/open.ts';
import type { Queue } from '../lib/queue/sqs.ts';
import { withDeadline } from './deadline.ts';
import { createInstance, describeError, type Instance } from './instance.ts';
import type { Invocation } from './invocation.ts';
import { powertoolsLogging } from './logging.ts';
import { parseSourceMessage, type SourceMessage, sendRetries, tickAt } from './messages.ts';
import { addRun, noMetrics, powertoolsMetrics, type RunMetrics } from './metrics.ts';

/** Enough for what is under way to end, and to be said. */
const marginMs = 15_000;

/** No cluster is begun with less: HSS may ask to wait for a minute before each of its two answers. */
const startMs = 180_000;

/** Failures in one line of the log. */
const loggedFailures = 100;

/** A scan that did not do everything. Its message goes to whoever invoked the function, so it holds no detail. */
export class ScanError extends Error {
  override readonly name = 'ScanError';
  /** 2 something could not be looked at or delivered, 3 invalid input, 4 internal error. */
  readonly exitCode: 2 | 3 | 4;

  constructor(exitCode: 2 | 3 | 4, reason: string) {
    super(`scan: exit code ${exitCode}: ${reason}; the log has the details`);
    this.exitCode = exitCode;
  }
}

/** What a scan that was started by a queue leaves to others. */
export interface ScanQueues {
  /** Sources, with what there was no time for. */
  readonly sources: Queue;
  /** Deliveries that were not taken. */
  readonly retries: Queue;
}

const instance = createInstance(process.env, powertoolsLogging(), { openPages });
const metrics = powertoolsMetrics();

/** Of the queue of sources, or invoked by hand with any event: then all sources at once, and the next schedule makes good. */
export async function handler(event: unknown, invocation: Invocation): Promise<unknown> {
  if (!isQueueEvent(event)) return runScan(invocation, instance, metrics);
  const queues = await openQueues(process.env);
  // A batch of one; what fails is given back to the queue, and to its dead letters after a few times.
  const processor = new SqsFifoPartialProcessorAsync();
  const work = (record: Received) => takeSource(record, invocation, instance, queues, metrics);
  return processPartialResponse(event as never, work, processor, { throwOnFullBatchFailure: false });
}

/** As much of a record of the queue as is looked at. */
interface Received {
  readonly body: string;
  readonly receiptHandle: string;
  readonly attributes?: { readonly ApproximateReceiveCount?: string };
}

/**
 * How soon a message that failed is tried again: what fails for a moment only is not to be given up in that moment. Input that is
 * invalid, such as a policy that is gone, is so in five minutes too, and after the last try there is nothing to wait for: until
 * then no other source of the key is worked.
 */
function againSeconds({ attributes }: Received, error: unknown): number {
  const tries = Number(attributes?.ApproximateReceiveCount ?? 1);
  const isInvalid = error instanceof ScanError && error.exitCode === 3;
  return (isInvalid ? [60] : [60, 300])[tries - 1] ?? 0;
}

/**
 * `scanSource`, and what fails in our hands is not kept from the queue for as long as a worker that died would keep it: until
 * then no other source of its key is worked.
 */
export async function takeSource(
  record: Received,
  invocation: Invocation,
  instance: Instance,
  queues: ScanQueues,
  metrics: RunMetrics,
): Promise<void> {
  try {
    await scanSource(record.body, invocation, instance, queues, metrics);
  } catch (error) {
    await queues.sources
      .giveBack(record.receiptHandle, againSeconds(record, error))
      .catch((why: unknown) => instance.log('warn', 'message not given back at once', { error: describeError(why) }));
    throw error;
  }
}

function isQueueEvent(event: unknown): boolean {
  return Array.isArray((event as { Records?: unknown } | null)?.Records);
}

async function openQueues(env: Readonly<Record<string, string | undefined>>): Promise<ScanQueues> {
  const { openQueue } = await import('../lib/queue/sqs.ts');
  const { PORTCULLIS_SOURCE_QUEUE_URL: sources, PORTCULLIS_RETRY_QUEUE_URL: retries } = env;
  if (!sources || !retries)
    throw new Error('PORTCULLIS_SOURCE_QUEUE_URL and PORTCULLIS_RETRY_QUEUE_URL have to be set');
  return { sources: openQueue(sources), retries: openQueue(retries) };
}

/**
 * Work one source until it is done or the time runs out; what is left goes back to the queue, and what receivers did not
 * take to that of deliveries.
 * @throws {ScanError} what cannot be mended by the next run: the message is tried again, then given up
 */
export async function scanSource(
  body: string,
  invocation: Invocation,
  instance: Instance,
  queues: ScanQueues,
  metrics: RunMetrics,
): Promise<void> {
  const message = parseSourceMessage(body);
  const what = message === undefined ? {} : { source: message.source, tick: message.tick, part: message.part };
  instance.begin(invocation.awsRequestId);
  await logged({ instance, metrics, what }, async () => {
    if (message === undefined) throw new InputError('the message is none of ours');
    await work(message, invocation, instance, queues, metrics);
  });
}

/** A message that is worked so late after its tick was moved back, or waits behind many others of its key. */
const lateMs = 60 * 60_000;

async function work(
  message: SourceMessage,
  invocation: Invocation,
  instance: Instance,
  queues: ScanQueues,
  metrics: RunMetrics,
): Promise<void> {
  const { source, part } = message;
  const tick = tickAt(message.tick, Date.now());
  const { log } = instance;
  const app = await instance.app();
  const known = app.sources.find(({ name }) => name === source);
  if (known === undefined) {
    log('warn', 'the source is not in the config any more', { source });
    return;
  }
  // Not worth a read of each message.
  const isLate = Date.now() - Date.parse(tick) > lateMs;
  if (isLate && (await app.lastWholeScan(source, Date.now())) > Date.parse(tick)) {
    log('info', 'a later scan of the source has made it good', { source, tick });
    return;
  }
  const mayStart = () => invocation.getRemainingTimeInMillis() > startMs;
  const scope = { sinceMs: Date.parse(tick), mayStart };
  const summary = await run(
    { invocation, instance, metrics, what: { source, tick, part } },
    { sources: [source], scope, askAgain: (owed) => sendRetries(queues.retries, owed, 1) },
  );
  const { looked, left } = summary;
  if (left > 0 && looked > 0) {
    const next: SourceMessage = { ...message, tick, part: part + 1 };
    await queues.sources.send(next, { group: known.group, once: `${source}-${tick}-${next.part}` });
    log('info', 'clusters left for a continuation', { source, left, part: next.part });
  }
  // Sent on as it is it would go round for ever; given back, it is a dead letter soon, and people hear of it.
  if (left > 0 && looked === 0) {
    log('error', 'no time for any cluster', { source, left, part });
    throw new ScanError(2, 'there was no time for any cluster');
  }
  // Of a receiver whose secret is missing the others were told, and it is owed: no reason to look again.
  if (summary.hasInvalidSource) throw new ScanError(3, 'invalid input');
}

/** All sources at once. @throws {ScanError} after all that can be done was done, so that Lambda counts an error */
export async function runScan(
  invocation: Invocation,
  instance: Instance,
  metrics: RunMetrics = noMetrics,
): Promise<ScanSummary> {
  instance.begin(invocation.awsRequestId);
  return logged({ instance, metrics, what: {} }, async () => {
    const summary = await run({ invocation, instance, metrics, what: {} }, {});
    const { exitCode, failures } = summary;
    if (exitCode !== 0) throw new ScanError(exitCode, `${failures.length} things could not be looked at or delivered`);
    return summary;
  });
}

interface Around {
  readonly invocation: Invocation;
  readonly instance: Instance;
  readonly metrics: RunMetrics;
  readonly what: Readonly<Record<string, unknown>>;
}

type ScanOptions = NonNullable<Parameters<Awaited<ReturnType<Instance['app']>>['scan']>[1]>;

async function run({ invocation, instance, metrics, what }: Around, options: ScanOptions): Promise<ScanSummary> {
  const beganMs = Date.now();
  const app = await instance.app();
  const summary = await withDeadline(invocation.getRemainingTimeInMillis(), marginMs, (signal) =>
    app.scan(beganMs, options, signal),
  );
  addRun(metrics, { summary, calls: app.hssCalls(), durationMs: Date.now() - beganMs, nowMs: beganMs });
  const { exitCode, hasInvalidSource: _, failures, owed, ...counts } = summary;
  const omitted = Math.max(0, failures.length - loggedFailures);
  instance.log(exitCode === 0 ? 'info' : 'error', 'scan done', {
    ...what,
    exitCode,
    ...counts,
    owed: owed.length,
    failures: failures.slice(0, loggedFailures),
    ...(omitted > 0 && { omitted }),
  });
  return summary;
}

/** Whatever goes wrong is in the log: who invoked the function hears no more than that something did. @throws {ScanError} */
async function logged<T>({ instance, metrics, what }: Omit<Around, 'invocation'>, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // What a run could not do it has logged.
    if (error instanceof ScanError) throw error;
    metrics.add('ScanFailed', 1);
    if (error instanceof InputError) {
      instance.log('error', 'invalid input', { ...what, reason: error.message });
      throw new ScanError(3, 'invalid input');
    }
    instance.discard();
    instance.log('error', 'internal error', { ...what, error: describeError(error) });
    throw new ScanError(4, 'internal error');
  } finally {
    metrics.publish();
  }
}
