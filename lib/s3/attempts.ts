import { ObjectError } from '../app/objects.ts';
import type { Clock } from '../app/ports.ts';
import { errorWord } from '../core/text.ts';
import { isAwsOutage, statusOf } from '../http/aws-outage.ts';
import { backoffMs } from '../http/retry.ts';

export interface Attempts {
  readonly count: number;
  readonly baseMs: number;
  readonly capMs: number;
}

export interface S3Options {
  /** In place of that of AWS: the buckets are then in its path. */
  readonly endpoint: string | undefined;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly timeouts?: Timeouts | undefined;
}

/** Of one attempt. */
export interface Timeouts {
  /** Until the answer begins. */
  readonly answerMs: number;
  /** All of it, body included. */
  readonly totalMs: number;
}

/** What the client of the SDK is made with. The credentials and the region are those of the environment. */
export function clientConfig(endpoint: string | undefined, { answerMs }: Timeouts) {
  return {
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    followRegionRedirects: true,
    // Attempts are counted here: what waits between them is the clock.
    maxAttempts: 1,
    // By itself it would only say on the console that there was no answer in time.
    requestHandler: { connectionTimeout: 3_000, requestTimeout: answerMs, throwOnRequestTimeout: true },
  };
}

/** Try until S3 answers, or says no for good. @throws {ObjectError} */
export async function attempted<T>(work: () => Promise<T>, attempts: Attempts, options: S3Options): Promise<T> {
  const { clock, random } = options;
  for (let n = 1; ; n++) {
    try {
      return await work();
    } catch (error) {
      const failure = error instanceof ObjectError ? error : failureOf(error);
      if (failure.problem !== 'unreachable' || n >= attempts.count) throw failure;
      await clock.sleep(backoffMs(n, { ...attempts, random }));
    }
  }
}

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
}

/** By the status and the names alone: a message may quote the answer, or the request with its signature. */
function failureOf(error: unknown): ObjectError {
  const { name, message, code } = error as SdkError;
  const word = errorWord(code) ?? errorWord(name) ?? 'error';
  if (message === 'Region is missing') return new ObjectError('refused', 'no region: set AWS_REGION');
  if (name === 'CredentialsProviderError') return new ObjectError('refused', 'no AWS credentials');
  if (statusOf(error) === 404) return new ObjectError('missing', word);
  return new ObjectError(isAwsOutage(error) ? 'unreachable' : 'refused', word);
}
