import { hash } from 'node:crypto';
import type { Clock, PaceBook } from '../app/ports.ts';
import { type Http, HttpError } from '../http/request.ts';

/**
 * What an incoming webhook of Slack takes without answering 429: one message a second.
 * @see https://docs.slack.dev/apis/web-api/rate-limits
 */
export const slackIntervalMs = 1_000;

/**
 * Clients that send at most one request in any interval to a URL, whichever of them and whatever for: attempts count as
 * messages do.
 * @param book kept to by other processes too; absent: this one is alone
 */
export function createPace(clock: Clock, book?: PaceBook, intervalMs = slackIntervalMs): (http: Http) => Http {
  const sentAtMs = new Map<string, number>();

  async function turn(url: string, signal: AbortSignal): Promise<void> {
    // Not the URL itself: whoever knows it can post.
    const key = `slack/${hash('sha256', `pace ${url}`, 'hex').slice(0, 16)}`;
    for (;;) {
      signal.throwIfAborted();
      const page = await book?.read(key);
      const nowMs = clock.nowMs();
      // What lies ahead is of a clock that was set back since, or of another one.
      const sent = [sentAtMs.get(url) ?? Number.NEGATIVE_INFINITY, ...(page?.paced.sentAtMs ?? [])].filter(
        (atMs) => atMs <= nowMs,
      );
      const waitMs = Math.max(...sent) + intervalMs - nowMs;
      if (waitMs <= 0) {
        const paced = { sentAtMs: [nowMs], heldUntilMs: 0 };
        if (page !== undefined && !(await book?.write(key, paced, page.version))) continue;
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
