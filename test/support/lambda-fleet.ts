import { vi } from 'vitest';
import { type Lambda, startLambda } from './lambda-process.ts';
import type { QueueRecord, Queues } from './queues.ts';

/** A function that a queue starts, as the template has it. */
export interface FleetFunction {
  readonly name: string;
  /** Where its package was unpacked. */
  readonly root: string;
  readonly queueUrl: string;
  /** Instances that work at once. */
  readonly concurrency: number;
  readonly timeoutSeconds: number;
  /** Of its queue. */
  readonly visibilitySeconds: number;
}

/** One message in the hands of one instance. */
export interface Job {
  readonly function: string;
  /** Counts the invocations of its function, from 1. */
  readonly number: number;
  readonly record: QueueRecord;
  /** The key that the instance signs its calls to AWS with. */
  readonly accessKeyId: string;
  readonly beganMs: number;
  /** Those that were under way when it began. */
  readonly alongside: readonly Job[];
  /** `killed` by the test, `timed out` by the loop as Lambda does it. */
  outcome: 'done' | 'given back' | 'killed' | 'timed out' | undefined;
  kill(): void;
}

export interface FleetOptions {
  readonly queues: Queues;
  readonly functions: readonly FleetFunction[];
  readonly env: Readonly<Record<string, string>>;
  /** Told of each invocation just before it begins. */
  readonly onJob?: (job: Job) => void;
}

/** The event source mappings of Lambda, with instances in processes of their own, in simulated time. */
export interface Fleet {
  /** Work until there is no message left, or nothing to do before `untilMs`: then the clock is there. */
  work(untilMs?: number): Promise<void>;
  /** In the order in which they began. */
  readonly jobs: readonly Job[];
  /** Of all instances, those that are gone included. */
  output(): string;
  metrics(): { readonly [name: string]: unknown }[];
  /** Processes that were started. */
  readonly instances: number;
  close(): Promise<void>;
}

/** As long as Lambda's poller waits for a message. */
const pollMs = 20_000;

/**
 * The clock leaps to the next moment at which somebody has something to do, and only when nobody has anything to do now:
 * each instance waits and has no answer under way, and the queues have nothing for those that are free. So work takes no
 * simulated time, and waiting takes no real one.
 *
 * Needs `vi.useFakeTimers({ toFake: ['Date'] })`.
 */
export function startFleet({ queues, functions, env, onJob }: FleetOptions): Fleet {
  const all: Lambda[] = [];
  const pools = functions.map((settings) => ({
    settings,
    idle: [] as Instance[],
    running: new Set<Running>(),
    began: 0,
  }));
  const running = () => pools.flatMap((pool) => [...pool.running]);
  /** When messages that nobody holds any more are seen again. */
  let seenAgainMs: number[] = [];
  let hasEnded = false;
  const failures: unknown[] = [];
  const jobs: Job[] = [];

  interface Instance {
    readonly lambda: Lambda;
    readonly accessKeyId: string;
  }
  interface Running extends Job {
    readonly instance: Instance;
    readonly endsAtMs: number;
  }
  type Pool = (typeof pools)[number];

  function newInstance({ name, root }: FleetFunction): Instance {
    const accessKeyId = `AKIA${name.toUpperCase()}${String(all.length).padStart(4, '0')}`;
    const lambda = startLambda({
      root,
      handler: `${name}.handler`,
      env: { ...env, AWS_ACCESS_KEY_ID: accessKeyId },
      isTimed: true,
    });
    all.push(lambda);
    return { lambda, accessKeyId };
  }

  /** Give messages to whoever is free. */
  async function poll(): Promise<void> {
    for (const pool of pools) {
      while (pool.running.size < pool.settings.concurrency) {
        const record = await queues.receive(pool.settings.queueUrl);
        if (record === undefined) break;
        begin(pool, record);
      }
    }
  }

  function begin(pool: Pool, record: QueueRecord): void {
    const { settings } = pool;
    const instance = pool.idle.pop() ?? newInstance(settings);
    const job: Running = {
      function: settings.name,
      number: ++pool.began,
      record,
      accessKeyId: instance.accessKeyId,
      beganMs: Date.now(),
      alongside: running(),
      outcome: undefined,
      kill: () => stop(job, 'killed'),
      instance,
      endsAtMs: Date.now() + settings.timeoutSeconds * 1_000,
    };
    pool.running.add(job);
    onJob?.(job);
    const call = { requestId: `${settings.name}-${job.number}`, remainingMs: settings.timeoutSeconds * 1_000 };
    jobs.push(job);
    instance.lambda
      .invoke({ Records: [record] }, call)
      .then(
        async ({ value, error }) => {
          const { batchItemFailures = [] } = (value ?? {}) as { batchItemFailures?: { itemIdentifier: string }[] };
          const isBack =
            error !== undefined || batchItemFailures.some(({ itemIdentifier }) => itemIdentifier === record.messageId);
          pool.idle.push(instance);
          job.outcome = isBack ? 'given back' : 'done';
          if (!isBack) await queues.delete(settings.queueUrl, record);
        },
        (error: unknown) => {
          // Killed: that says it already.
          if (job.outcome === undefined) throw error;
        },
      )
      .catch((error: unknown) => failures.push(error))
      .finally(() => {
        if (job.outcome !== 'done') seenAgainMs.push(job.beganMs + settings.visibilitySeconds * 1_000);
        pool.running.delete(job);
        hasEnded = true;
      });
  }

  function stop(job: Running, outcome: 'killed' | 'timed out'): void {
    if (job.outcome !== undefined) return;
    job.outcome = outcome;
    job.instance.lambda.kill();
  }

  /** Messages that nobody can have just now. */
  async function waiting(): Promise<number> {
    const counts = await Promise.all(functions.map(({ queueUrl }) => queues.hidden(queueUrl)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Until somebody has ended, or all wait. */
  async function settle(): Promise<void> {
    const isBusy = ({ outcome, instance }: Running) =>
      outcome !== undefined || instance.lambda.clock.wakesAtMs() === undefined;
    while (!hasEnded && running().some(isBusy)) await new Promise((resolve) => setTimeout(resolve, 1));
  }

  function leapTo(ms: number): void {
    vi.setSystemTime(ms);
    seenAgainMs = seenAgainMs.filter((one) => one > ms);
    for (const job of running()) {
      if (job.endsAtMs <= ms) stop(job, 'timed out');
      else job.instance.lambda.clock.set(ms);
    }
  }

  return {
    jobs,
    async work(untilMs = Number.POSITIVE_INFINITY) {
      for (;;) {
        hasEnded = false;
        await poll();
        if (running().length > 0) await settle();
        if (failures.length > 0) throw failures[0];
        if (hasEnded) continue;
        const wakes = running().map(({ instance, endsAtMs }) =>
          Math.min(endsAtMs, instance.lambda.clock.wakesAtMs() ?? Number.POSITIVE_INFINITY),
        );
        const next = Math.min(...wakes, ...seenAgainMs);
        const isKnown = next < Number.POSITIVE_INFINITY;
        if (!isKnown && (await waiting()) === 0) return;
        leapTo(Math.min(untilMs, isKnown ? next : Date.now() + pollMs));
        if (Date.now() === untilMs) return;
      }
    },
    output: () => all.map((lambda) => lambda.output()).join(''),
    metrics: () => all.flatMap((lambda) => lambda.metrics()),
    get instances() {
      return all.length;
    },
    async close() {
      await Promise.all(all.map((lambda) => lambda.close()));
    },
  };
}
