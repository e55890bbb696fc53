import process from 'node:process';
import * as z from 'zod/mini';
import type { Queue } from '../lib/queue/sqs.ts';
import { withDeadline } from './deadline.ts';
import { createInstance, describeError, type Instance } from './instance.ts';
import type { Invocation } from './invocation.ts';
import { powertoolsLogging } from './logging.ts';
import { parseSourceMessage, type SourceMessage, sendRetries, tickAt } from './messages.ts';

const instance = createInstance(process.env, powertoolsLogging());

/** Enough to write down what was not taken, and to ask for another try: an invocation that fails is repeated. */
const marginMs = 20_000;

/** What the schedule sends: when it asks for a scan. */
const Tick = z.object({ tick: z.iso.datetime({ offset: true }) });

export interface ScheduleQueues {
  readonly sources: Queue;
  /** Messages about sources that were given up. */
  readonly deadLetters: Queue;
  /** Deliveries that were not taken. */
  readonly retries: Queue;
  /** The name that the command to work them again takes. */
  readonly deadLettersUrl: string;
}

export async function handler(event: unknown, invocation: Invocation): Promise<{ sources: number }> {
  const {
    PORTCULLIS_SOURCE_QUEUE_URL: sources,
    PORTCULLIS_DEAD_LETTER_QUEUE_URL: dead,
    PORTCULLIS_RETRY_QUEUE_URL: retries,
  } = process.env;
  if (!sources || !dead || !retries)
    throw new Error(
      'PORTCULLIS_SOURCE_QUEUE_URL, PORTCULLIS_DEAD_LETTER_QUEUE_URL and PORTCULLIS_RETRY_QUEUE_URL have to be set',
    );
  const { openQueue } = await import('../lib/queue/sqs.ts');
  const queues = {
    sources: openQueue(sources),
    deadLetters: openQueue(dead),
    retries: openQueue(retries),
    deadLettersUrl: dead,
  };
  return schedule(event, invocation, instance, queues);
}

/**
 * Ask for a scan of every source, once for each time that the schedule asks, then tell of those that were given up.
 * @throws {Error} not every source could be asked for: the schedule tries again, and what was asked for counts once
 */
export async function schedule(
  event: unknown,
  invocation: Invocation,
  instance: Instance,
  queues: ScheduleQueues,
): Promise<{ sources: number }> {
  const { log } = instance;
  instance.begin(invocation.awsRequestId);
  const given = z.safeParse(Tick, event);
  const nowMs = Date.now();
  const tick = tickAt(given.success ? given.data.tick : new Date(nowMs).toISOString(), nowMs);
  const app = await instance.app();
  const sent = await Promise.allSettled(
    app.sources.map(({ name: source, group }) => {
      const message: SourceMessage = { version: 1, source, tick, part: 1 };
      return queues.sources.send(message, { group, once: `${source}-${tick}-1` });
    }),
  );
  const failed = sent.filter(({ status }) => status === 'rejected');
  log(failed.length === 0 ? 'info' : 'error', 'sources asked for', {
    tick,
    sources: sent.length,
    failed: failed.length,
  });
  // At once: it is tried again, and the queue knows for five minutes what was asked for.
  if (failed.length > 0) throw new Error(`schedule: ${failed.length} of ${sent.length} sources could not be asked for`);
  await tellOfDeadLetters(instance, queues, invocation);
  return { sources: sent.length };
}

/** The command that moves all messages of a queue back to where they came from. */
function redrive(queueUrl: string): string {
  const { pathname, hostname } = new URL(queueUrl);
  const [account, name] = pathname.split('/').filter(Boolean);
  const region = /^sqs\.([\w-]+)\.amazonaws\./.exec(hostname)?.[1] ?? process.env.AWS_REGION ?? 'REGION';
  const partition = region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
  const arn = ['arn', partition, 'sqs', region, account, name].join(':');
  return `aws sqs start-message-move-task --region ${region} --source-arn ${arn}`;
}

/** Whether the source was scanned as a whole at a later time that the schedule asked for: there is nothing to be moved back. */
async function isMadeGood(body: string, app: Awaited<ReturnType<Instance['app']>>): Promise<boolean> {
  const message = parseSourceMessage(body);
  return message !== undefined && (await app.lastWholeScan(message.source, Date.now())) > Date.parse(message.tick);
}

/** Whatever goes wrong here, the sources are asked for. */
async function tellOfDeadLetters(
  instance: Instance,
  { deadLetters, deadLettersUrl, retries }: ScheduleQueues,
  invocation: Invocation,
): Promise<void> {
  try {
    const app = await instance.app();
    const { count, bodies } = await deadLetters.look((body) => isMadeGood(body, app));
    const isWhole = count <= bodies.length;
    const sources = bodies.map((body) => parseSourceMessage(body)?.source ?? 'unknown');
    const askAgain = (owed: Parameters<typeof sendRetries>[1]) => sendRetries(retries, owed, 1);
    await withDeadline(invocation.getRemainingTimeInMillis(), marginMs, (signal) =>
      app.tellPoisoned([...new Set(sources)], redrive(deadLettersUrl), isWhole, Date.now(), signal, askAgain),
    );
  } catch (error) {
    instance.log('error', 'dead letters could not be told of', { error: describeError(error) });
  }
}
