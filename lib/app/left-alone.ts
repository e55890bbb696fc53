import { DeliveryError, NotTriedError } from '../core/errors.ts';
import type { Clock, Notifier } from './ports.ts';

/** How long a receiver that gave no answer is left alone. */
const aloneMs = 60_000;
const unanswered = 'was not tried, since it gave no answer less than a minute ago; it is tried again later';

/**
 * Notifiers that ask a receiver without an answer no more for a while: each try takes a time-out, for which others would wait.
 * What it is not asked to take stays owed.
 */
export function leavingAlone(clock: Clock): (notifier: Notifier) => Notifier {
  const silentSinceMs = new Map<string, number>();
  return (notifier) => {
    const { receiver } = notifier;
    return {
      ...notifier,
      async deliver(notice, nowMs, signal) {
        const silentMs = clock.nowMs() - (silentSinceMs.get(receiver) ?? Number.NEGATIVE_INFINITY);
        // Less than nothing: the clock was set back.
        if (silentMs >= 0 && silentMs < aloneMs) throw new NotTriedError(receiver, unanswered);
        try {
          return await notifier.deliver(notice, nowMs, signal);
        } catch (error) {
          if (isSilence(error)) silentSinceMs.set(receiver, clock.nowMs());
          throw error;
        }
      },
    };
  };
}

function isSilence(error: unknown): boolean {
  return (
    error instanceof DeliveryError && !(error instanceof NotTriedError) && error.retryable && error.status === undefined
  );
}
