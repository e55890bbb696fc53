import { describe, expect, test } from 'vitest';
import { createPaceBook } from '../../lib/app/pace-book.ts';
import type { Clock } from '../../lib/app/ports.ts';
import { StoreError } from '../../lib/app/state.ts';
import { systemClock } from '../../lib/hss/clock.ts';
import { type Api, createPacers } from '../../lib/hss/pacer.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';

function fakeClock(): Clock & { now: number; readonly slept: number[] } {
  const clock = {
    now: 1_000_000,
    slept: [] as number[],
    nowMs: () => clock.now,
    async sleep(ms: number, signal?: AbortSignal) {
      signal?.throwIfAborted();
      clock.slept.push(ms);
      clock.now += ms;
    },
  };
  return clock;
}

function start() {
  const clock = fakeClock();
  const pacers = createPacers(clock);
  return { clock, pacers, pacer: pacers.of('ak') };
}

async function take(pacer: ReturnType<typeof start>['pacer'], times: number, api: Api = 'list') {
  for (let i = 0; i < times; i++) expect(await pacer.take(api, 600_000)).toBe(0);
}

test('five calls go out at once, the sixth a minute and two seconds after the first', async () => {
  const { clock, pacer } = start();

  await take(pacer, 5);
  expect(clock.slept).toEqual([]);
  clock.now += 10_000;
  await take(pacer, 1);

  expect(clock.slept).toEqual([52_000]);
});

test('no stretch of a minute has more than five calls', async () => {
  const { clock, pacer } = start();
  const sentAtMs: number[] = [];

  for (let i = 0; i < 40; i++) {
    await take(pacer, 1);
    sentAtMs.push(clock.now);
    clock.now += (i * 7919) % 23_000;
  }

  for (const [i, at] of sentAtMs.entries()) {
    const sixth = sentAtMs[i + 5];
    if (sixth !== undefined) expect(sixth - at).toBeGreaterThanOrEqual(60_000);
  }
});

test('no stretch of a minute has more than five calls where they arrive, though some are longer under way', async () => {
  const { clock, pacer } = start();
  const arrivedAtMs: number[] = [];

  for (let i = 0; i < 60; i++) {
    await take(pacer, 1);
    arrivedAtMs.push(clock.now + ((i * 7919) % 2_000));
  }

  arrivedAtMs.sort((a, b) => a - b);
  for (const [i, at] of arrivedAtMs.entries()) {
    const sixth = arrivedAtMs[i + 5];
    if (sixth !== undefined) expect(sixth - at).toBeGreaterThanOrEqual(60_000);
  }
});

test('each API has calls of its own', async () => {
  const { clock, pacer } = start();

  await take(pacer, 5, 'list');
  await take(pacer, 5, 'report');
  await take(pacer, 5, 'iam');

  expect(clock.slept).toEqual([]);
});

test('an access key has one pacer, another key another', async () => {
  const { clock, pacers } = start();

  await take(pacers.of('ak'), 5);
  await take(pacers.of('other'), 5);
  expect(clock.slept).toEqual([]);
  await take(pacers.of('ak'), 1);

  expect(clock.slept).toEqual([62_000]);
});

test('callers that wait together do not go together', async () => {
  let now = 0;
  let sleepers: { atMs: number; wake: () => void }[] = [];
  const pacer = createPacers({
    nowMs: () => now,
    sleep: (ms) => new Promise((wake) => sleepers.push({ atMs: now + ms, wake })),
  }).of('ak');
  let gone = 0;
  for (let i = 0; i < 12; i++) pacer.take('list', 600_000).then(() => gone++);

  async function at(ms: number): Promise<number> {
    now = ms;
    const due = sleepers.filter(({ atMs }) => atMs <= now);
    sleepers = sleepers.filter((sleeper) => !due.includes(sleeper));
    for (const { wake } of due) wake();
    await new Promise(setImmediate);
    return gone;
  }

  expect(await at(0)).toBe(5);
  expect(await at(61_999)).toBe(5);
  expect(await at(62_000)).toBe(10);
  expect(await at(123_999)).toBe(10);
  expect(await at(124_000)).toBe(12);
});

test('a wait that is too long is told, not waited', async () => {
  const { clock, pacer } = start();
  await take(pacer, 5);

  expect(await pacer.take('list', 61_999)).toBe(62_000);
  expect(clock.slept).toEqual([]);
  expect(await pacer.take('list', 62_000)).toBe(0);
});

test.each([
  { why: 'tighter', limit: { calls: 2, windowMs: 60_000 }, before: 2, slept: [62_000] },
  { why: 'in seconds', limit: { calls: 2, windowMs: 1000 }, before: 2, slept: [1034] },
  { why: 'wider', limit: { calls: 7, windowMs: 60_000 }, before: 7, slept: [62_000] },
])('a limit that was learnt holds: $why', async ({ limit, before, slept }) => {
  const { clock, pacer } = start();

  pacer.learn('list', limit);
  await take(pacer, before);
  expect(clock.slept).toEqual([]);
  await take(pacer, 1);

  expect(clock.slept).toEqual(slept);
  expect(pacer.limit('list')).toEqual(limit);
  expect(pacer.limit('report')).toEqual({ calls: 5, windowMs: 60_000 });
});

test('a tighter limit counts the calls before it was learnt', async () => {
  const { clock, pacer } = start();

  await take(pacer, 4);
  pacer.learn('list', { calls: 2, windowMs: 60_000 });
  await take(pacer, 1);

  expect(clock.slept).toEqual([62_000]);
});

test('no call goes out while the server has had enough', async () => {
  const { clock, pacer } = start();

  pacer.hold('list', clock.now + 30_000);
  pacer.hold('list', clock.now + 10_000);
  await take(pacer, 1, 'report');
  expect(clock.slept).toEqual([]);
  await take(pacer, 1);

  expect(clock.slept).toEqual([30_000]);
});

test('an aborted wait ends at once, with the reason, and takes no place', async () => {
  const pacers = createPacers(systemClock);
  const pacer = pacers.of('ak');
  for (let i = 0; i < 5; i++) await pacer.take('list', 600_000);
  const stop = new AbortController();
  const reason = new Error('the run is over');

  const waiting = pacer.take('list', 600_000, stop.signal);
  stop.abort(reason);

  await expect(waiting).rejects.toBe(reason);
  await expect(pacer.take('report', 0, stop.signal)).rejects.toBe(reason);
});

test('many who wait are served in the order in which they came, and none is turned away for the length of the queue', async () => {
  const { pacer } = start();
  const served: number[] = [];
  const waits = Array.from({ length: 100 }, async (_, i) => {
    expect(await pacer.take('report', 120_000)).toBe(0);
    served.push(i);
  });
  await Promise.all(waits);
  expect(served).toEqual(Array.from({ length: 100 }, (_, i) => i));
});

test('one who gives up its place in the queue holds nobody up', async () => {
  const { pacer } = start();
  const abort = new AbortController();
  const first = pacer.take('report', 120_000);
  const second = pacer.take('report', 120_000, abort.signal);
  const third = pacer.take('report', 120_000);
  abort.abort(new Error('gave up'));
  await expect(second).rejects.toThrow('gave up');
  expect(await Promise.all([first, third])).toEqual([0, 0]);
});

describe('processes that share a book', () => {
  /** A few processes, each with pacers of its own, over one store. */
  function processes(count: number, options: { isBroken?: boolean; isShared?: boolean } = {}) {
    const clock = fakeClock();
    const store = createMemoryStore();
    const open = async () => {
      if (options.isBroken) throw new StoreError('broken');
      return store;
    };
    const book = createPaceBook(open, clock.nowMs);
    const pacers = Array.from({ length: count }, () => createPacers(clock, { book, isShared: options.isShared }));
    return { clock, pacers, store };
  }

  test('keep to the limit together, each call at the same moment counted', async () => {
    const { clock, pacers } = processes(3);
    const sentAtMs: number[] = [];
    for (let i = 0; i < 60; i++) {
      expect(await pacers[i % 3]?.of('ak').take('report', 600_000)).toBe(0);
      sentAtMs.push(clock.now);
      if (i % 4 === 0) clock.now += 1_000;
    }
    for (const [i, at] of sentAtMs.entries()) {
      const sixth = sentAtMs[i + 5];
      if (sixth !== undefined) expect(sixth - at).toBeGreaterThanOrEqual(60_000);
    }
  });

  test('do so though they ask at once', async () => {
    const { clock, pacers } = processes(8);
    const sent: number[] = [];
    await Promise.all(
      pacers.map(async (one) => {
        await one.of('ak').take('list', 10_000_000);
        sent.push(clock.now);
      }),
    );
    const sorted = sent.sort((a, b) => a - b);
    expect((sorted[5] ?? 0) - (sorted[0] ?? 0)).toBeGreaterThanOrEqual(60_000);
  });

  test('have a pace for each key, or one for all where they share an address', async () => {
    const apart = processes(1);
    for (const ak of ['a', 'b']) for (let i = 0; i < 5; i++) await apart.pacers[0]?.of(ak).take('list', 0);
    expect(apart.clock.slept).toEqual([]);
    const together = processes(1, { isShared: true });
    for (const ak of ['a', 'b']) for (let i = 0; i < 5; i++) await together.pacers[0]?.of(ak).take('list', 600_000);
    expect(together.clock.slept).toEqual([62_000]);
  });

  test('keep to it by themselves where the book cannot be used', async () => {
    const { clock, pacers } = processes(1, { isBroken: true });
    for (let i = 0; i < 6; i++) expect(await pacers[0]?.of('ak').take('list', 600_000)).toBe(0);
    expect(clock.slept).toEqual([62_000]);
  });

  test('write no key into it', async () => {
    const { pacers, store } = processes(1);
    await pacers[0]?.of('AK-canary').take('list', 0);
    expect(JSON.stringify(await store.load('pacing', '', 0))).not.toContain('canary');
  });
});
