import type { Clock } from '../app/ports.ts';
import { type Http, HttpError } from '../http/request.ts';

/**
 * What an incoming webhook of Slack takes without answering 429: one message a second.
 * @see https://docs.slack.dev/apis/web-api/rate-limits
 */
export const slackIntervalMs = 1_000;

/**
 * Clients that send at most one request in any interval to a URL, whichever of them and whatever for: attempts count as
 * messages do.
 */
export function createPace(clock: Clock, intervalMs = slackIntervalMs): (http: Http) => Http {
  const sentAtMs = new Map<string, number>();

  async function turn(url: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const nowMs = clock.nowMs();
      const waitMs = (sentAtMs.get(url) ?? Number.NEGATIVE_INFINITY) + intervalMs - nowMs;
      // More than the interval: the clock was set back.
      if (waitMs <= 0 || waitMs > intervalMs) {
        sentAtMs.set(url, nowMs);
        return;
      }
      // Others may have taken the place meanwhile: look again.
      await clock.sleep(waitMs, signal);
    }
  }

  return (http) => {
    let closing = new AbortController();
    return {
      async send(request) {
        const { url, signal } = request;
        const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
        try {
          await turn(url.href, either);
        } catch (error) {
          if (!either.aborted) throw error;
          const reason = signal?.aborted ? 'aborted by the caller' : 'closed';
          throw new HttpError('aborted', reason, { retryable: false, isUnsent: true });
        }
        return http.send(request);
      },
      async close() {
        closing.abort();
        closing = new AbortController();
        await http.close();
      },
    };
  };
}
