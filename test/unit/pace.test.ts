import { expect, test } from 'vitest';
import type { Clock } from '../../lib/app/ports.ts';
import { type Http, HttpError, type HttpRequest } from '../../lib/http/request.ts';
import { createPace } from '../../lib/notifiers/pace.ts';

/** Time that passes only when the test says so. */
function manualClock() {
  let now = 1_000_000;
  const sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();
  const clock: Clock = {
    nowMs: () => now,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const sleeper = {
          untilMs: now + ms,
          wake() {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          reject(signal.reason);
        });
      }),
  };
  return {
    clock,
    sleepers,
    set(toMs: number) {
      now = toMs;
    },
    async pass(ms: number) {
      now += ms;
      for (const sleeper of [...sleepers]) if (sleeper.untilMs <= now) sleeper.wake();
      await settled();
    },
  };
}

/** Everything that can go on without time passing has gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function start() {
  const time = manualClock();
  const sent: [string, number][] = [];
  let closed = 0;
  const http: Http = {
    async send({ url }) {
      sent.push([url.pathname.slice(1), time.clock.nowMs() - 1_000_000]);
      return { status: 200, headers: {}, body: (async function* () {})() };
    },
    async close() {
      closed++;
    },
  };
  return { time, sent, http, pace: createPace(time.clock), closed: () => closed };
}

const timeouts = { connectMs: 1, headersMs: 1, bodyMs: 1, totalMs: 1 };

function to(path: string, signal?: AbortSignal): HttpRequest {
  return { method: 'POST', url: new URL(path, 'https://hooks.example'), headers: {}, timeouts, signal };
}

test('the first request goes out at once, each other one a second after the one before', async () => {
  const { time, sent, http, pace } = start();
  const paced = pace(http);

  const all = Promise.all([paced.send(to('a')), paced.send(to('a')), paced.send(to('a'))]);
  await settled();
  expect(sent).toEqual([['a', 0]]);
  await time.pass(999);
  expect(sent).toHaveLength(1);
  await time.pass(1);
  expect(sent).toHaveLength(2);
  await time.pass(1_000);
  await all;

  expect(sent.map(([, at]) => at)).toEqual([0, 1_000, 2_000]);
  expect(time.sleepers.size).toBe(0);
});

test('the second counts from when a request was sent, not from when it was wanted', async () => {
  const { time, sent, http, pace } = start();
  const paced = pace(http);

  await paced.send(to('a'));
  await time.pass(700);
  const second = paced.send(to('a'));
  await settled();
  await time.pass(300);
  await second;
  await time.pass(5_000);
  await paced.send(to('a'));
  const fourth = paced.send(to('a'));
  await settled();
  await time.pass(1_000);
  await fourth;

  expect(sent.map(([, at]) => at)).toEqual([0, 1_000, 6_000, 7_000]);
});

test('another URL does not wait', async () => {
  const { sent, http, pace } = start();
  const paced = pace(http);

  await Promise.all([paced.send(to('a')), paced.send(to('b'))]);

  expect(sent).toEqual([
    ['a', 0],
    ['b', 0],
  ]);
});

test('receivers that share a URL share its pace', async () => {
  const { time, sent, http, pace } = start();

  await pace(http).send(to('a'));
  const other = pace(http).send(to('a'));
  await settled();
  expect(sent).toHaveLength(1);
  await time.pass(1_000);
  await other;

  expect(sent).toHaveLength(2);
});

test('a request that fails counts too', async () => {
  const { time, pace } = start();
  const failing: Http = {
    send: async () => {
      throw new HttpError('connect', 'refused', { retryable: true });
    },
    close: async () => {},
  };
  const paced = pace(failing);

  await expect(paced.send(to('a'))).rejects.toThrow('refused');
  paced.send(to('a')).catch(() => {});
  await settled();

  expect([...time.sleepers].map(({ untilMs }) => untilMs)).toEqual([1_001_000]);
});

test('an aborted signal ends the wait, nothing is sent and the place is free for another', async () => {
  const { time, sent, http, pace } = start();
  const paced = pace(http);
  const controller = new AbortController();

  await paced.send(to('a'));
  const waiting = paced.send(to('a', controller.signal));
  await settled();
  controller.abort(new Error('with the secret in it'));
  await expect(waiting).rejects.toEqual(
    new HttpError('aborted', 'aborted by the caller', { retryable: false, isUnsent: true }),
  );
  expect(time.sleepers.size).toBe(0);

  const next = paced.send(to('a'));
  await settled();
  await time.pass(1_000);
  await next;
  expect(sent.map(([, at]) => at)).toEqual([0, 1_000]);
});

test('what was aborted before is not sent and takes no place', async () => {
  const { sent, http, pace } = start();
  const paced = pace(http);

  await expect(paced.send(to('a', AbortSignal.abort()))).rejects.toMatchObject({ phase: 'aborted' });
  await paced.send(to('a'));

  expect(sent).toEqual([['a', 0]]);
});

test('closing ends the waits of then, and the exchanges of the client', async () => {
  const { time, sent, http, pace, closed } = start();
  const paced = pace(http);

  await paced.send(to('a'));
  const waiting = paced.send(to('a'));
  await settled();
  await paced.close();

  await expect(waiting).rejects.toMatchObject({ phase: 'aborted', message: 'closed' });
  expect([sent.length, closed(), time.sleepers.size]).toEqual([1, 1, 0]);
  await paced.send(to('b'));
  expect(sent).toHaveLength(2);
});

test('a clock that is set back holds nobody up', async () => {
  const { time, sent, http, pace } = start();
  const paced = pace(http);

  await paced.send(to('a'));
  time.set(1_000_000 - 3_600_000);
  await paced.send(to('a'));

  expect(sent).toHaveLength(2);
});

test('a clock that wakes early does not make it early', async () => {
  const { time, sent, http, pace } = start();
  const paced = pace(http);

  await paced.send(to('a'));
  const second = paced.send(to('a'));
  await settled();
  for (const sleeper of [...time.sleepers]) sleeper.wake();
  await settled();
  expect(sent).toHaveLength(1);
  await time.pass(1_000);
  await second;

  expect(sent.map(([, at]) => at)).toEqual([0, 1_000]);
});
