import { type DeliveryError, type InputError, NotTriedError } from '../core/errors.ts';
import type { Refused } from './cluster-state.ts';

/** A message that was not taken, in which the news of a cluster were, and why. */
export interface NotTaken {
  readonly message: string;
  /** Of how many clusters it was. */
  readonly parts: number;
  readonly error: DeliveryError | InputError;
}

/**
 * What is written of news that were not taken.
 * @param before what was written when something of the cluster was not taken the last time
 * @param owed the id of the news
 */
export function refusedNow(
  before: Refused | undefined,
  owed: string,
  { message, parts, error }: NotTaken,
  nowMs: number,
): Refused {
  const isTried = !(error instanceof NotTriedError);
  // Other news than it did not take before is given as much time.
  const same = before?.id === owed ? before : undefined;
  const triedMs = isTried ? nowMs : before?.triedMs;
  return {
    id: owed,
    message,
    parts,
    sinceMs: before?.sinceMs ?? nowMs,
    newsSinceMs: same === undefined ? nowMs : (same.newsSinceMs ?? same.sinceMs),
    ...(triedMs !== undefined && { triedMs }),
    ...((before === undefined || before.isUnasked === true) && { isUnasked: true }),
    attempts: (same?.attempts ?? 0) + (isTried ? 1 : 0),
    reason: isTried ? error.message : (same?.reason ?? error.message),
  };
}
