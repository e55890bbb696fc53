import process from 'node:process';
import { BatchProcessor, EventType, processPartialResponse } from '@aws-lambda-powertools/batch';
import type { Queue } from '../lib/queue/sqs.ts';
import { withDeadline } from './deadline.ts';
import { createInstance, describeError, type Instance } from './instance.ts';
import type { Invocation } from './invocation.ts';
import { powertoolsLogging } from './logging.ts';
import { parseRetryMessage, sendRetries } from './messages.ts';
import { addDelivery, powertoolsMetrics, type RunMetrics } from './metrics.ts';

const marginMs = 15_000;

const instance = createInstance(process.env, powertoolsLogging());
const metrics = powertoolsMetrics();

/** Of the queue of deliveries that were not taken, some minutes after. */
export async function handler(event: unknown, invocation: Invocation): Promise<unknown> {
  const url = process.env.PORTCULLIS_RETRY_QUEUE_URL;
  if (!url) throw new Error('PORTCULLIS_RETRY_QUEUE_URL has to be set');
  const { openQueue } = await import('../lib/queue/sqs.ts');
  const work = ({ body }: { readonly body: string }) =>
    deliverAgain(body, invocation, instance, openQueue(url), metrics);
  const processor = new BatchProcessor(EventType.SQS);
  return processPartialResponse(event as never, work, processor, { throwOnFullBatchFailure: false });
}

/**
 * Try once more what receivers did not take. What they still do not take comes again later, for as long as it is
 * owed.
 * @throws {Error} it could not be tried: the message comes again by itself
 */
export async function deliverAgain(
  body: string,
  invocation: Invocation,
  instance: Instance,
  retries: Queue,
  metrics: RunMetrics,
): Promise<void> {
  const message = parseRetryMessage(body);
  if (message === undefined) throw new Error('deliver: the message is none of ours');
  const { targets, attempt } = message;
  const { log } = instance;
  instance.begin(invocation.awsRequestId);
  const nowMs = Date.now();
  try {
    const app = await instance.app();
    const summary = await withDeadline(invocation.getRemainingTimeInMillis(), marginMs, (signal) =>
      app.deliverOwed(targets, nowMs, signal, (owed) => sendRetries(retries, owed, attempt + 1)),
    );
    const { delivered, owed, failures } = summary;
    addDelivery(metrics, summary, nowMs);
    log(owed.length === 0 ? 'info' : 'warn', 'deliveries tried again', {
      attempt,
      delivered,
      owed: owed.length,
      failures,
    });
  } catch (error) {
    instance.discard();
    log('error', 'deliveries could not be tried again', { attempt, error: describeError(error) });
    throw new Error('deliver: failed; the log has the details');
  } finally {
    metrics.publish();
  }
}
