import * as z from 'zod/mini';
import { clockSkewMs } from '../lib/core/duration.ts';
import type { Queue } from '../lib/queue/sqs.ts';

/** One source to be worked, as `schedule` and `scan` send it. */
const SourceMessage = z.object({
  version: z.literal(1),
  source: z.string(),
  /** When the schedule asked for it; ISO 8601. */
  tick: z.iso.datetime(),
  /** Counts up with each continuation. */
  part: z.int().check(z.minimum(1)),
});
export type SourceMessage = z.infer<typeof SourceMessage>;

/** Deliveries to be tried again, as `scan` and `deliver` send it. */
const RetryMessage = z.object({
  version: z.literal(1),
  targets: z.array(
    z.object({ source: z.string(), clusterId: z.string(), clusterName: z.string(), receiver: z.optional(z.string()) }),
  ),
  attempt: z.int().check(z.minimum(1)),
});
export type RetryMessage = z.infer<typeof RetryMessage>;

/** @returns undefined for what is no such message */
export function parseSourceMessage(text: string): SourceMessage | undefined {
  return parsed(SourceMessage, text);
}

/** @returns undefined for what is no such message */
export function parseRetryMessage(text: string): RetryMessage | undefined {
  return parsed(RetryMessage, text);
}

function parsed<T>(schema: z.ZodMiniType<T>, text: string): T | undefined {
  try {
    return z.parse(schema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** The most targets of one message: of 256 KiB, with names of any length, they take less than half. */
const mostTargets = 300;

/** How long a failed delivery waits for its next attempt: 2 minutes, then twice as long each time, up to 15. */
export function retryDelaySeconds(attempt: number): number {
  return Math.min(900, 120 * 2 ** (attempt - 1));
}

/** As many messages as it takes. */
export function retryMessages(targets: readonly RetryMessage['targets'][number][], attempt: number): RetryMessage[] {
  const messages: RetryMessage[] = [];
  for (let at = 0; at < targets.length; at += mostTargets)
    messages.push({ version: 1, targets: targets.slice(at, at + mostTargets), attempt });
  return messages;
}

/** Deliver what receivers did not take again, a while later. */
export async function sendRetries(
  queue: Queue,
  targets: readonly RetryMessage['targets'][number][],
  attempt: number,
): Promise<void> {
  for (const message of retryMessages(targets, attempt))
    await queue.send(message, { delaySeconds: retryDelaySeconds(attempt) });
}

/**
 * When the schedule asked for a run, in UTC; now, where somebody asked for one in the future: until then all that is
 * remembered would be older than it.
 */
export function tickAt(tick: string, nowMs: number): string {
  const atMs = Date.parse(tick);
  return new Date(atMs > nowMs + clockSkewMs ? nowMs : atMs).toISOString();
}
