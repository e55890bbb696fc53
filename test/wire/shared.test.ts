import { hash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { largestPart, mostParts } from '../../lib/app/parts.ts';
import { Shared } from '../../lib/app/shared.ts';
import type { StateStore } from '../../lib/app/state.ts';
import { anyAge } from '../../lib/core/retime.ts';
import { createDynamoStore } from '../../lib/stores/dynamodb.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { closing, keysOf, temporaryFolder } from '../support/stores.ts';

let dynamo: Dynamo;
beforeAll(async () => {
  dynamo = await startDynamo();
});
afterAll(() => dynamo.close());

const storages = [
  { name: 'sqlite', open: async () => openSqliteStore(join(await temporaryFolder(), 'state.db')) },
  { name: 'dynamodb', open: async () => createDynamoStore({ ...dynamo.access, table: await dynamo.createTable() }) },
];

const dayMs = 86_400_000;

/** So large when packed. */
function large(parts: number, seed = 0): string {
  const rows: string[] = [];
  for (let n = 0; n * 64 < parts * largestPart * 1.25; n++) rows.push(hash('sha256', `${seed}/${n}`, 'hex'));
  return rows.join('');
}

/** Instances over the same store, and how often the work was done. */
function desk(store: StateStore) {
  const logged: string[] = [];
  let nowMs = 1_000;
  const pass = (ms: number) => {
    nowMs += ms;
  };
  const clock = { nowMs: () => nowMs, sleep: async (ms: number) => pass(ms) };
  const instance = () => new Shared({ store, clock, log: (_, msg) => logged.push(msg), failureFreshMs: 0 });
  let done = 0;
  return {
    logged,
    instance,
    done: () => done,
    pass,
    ask: async (value: string, freshMs: number = anyAge, key = 'evaluation/a') => {
      const work = async () => {
        done++;
        return { value, freshMs };
      };
      return (await instance().once(key, work)).value;
    },
  };
}

describe.each(storages)('over $name', ({ open }) => {
  const opened = async () => closing(await open());

  test('what is cut is none, and is found anew', async () => {
    const store = await opened();
    const { ask, done, logged } = desk(store);
    await ask('found');
    const [record] = await store.load('shared', 'evaluation/a', 0);
    const value = record?.value as { result: { gzip: string } };
    const cut = { ...value, result: { ...value.result, gzip: value.result.gzip.slice(0, -12) } };
    await store.put('shared', { key: 'evaluation/a', value: cut }, record?.version ?? 0, 0);
    expect(await ask('found anew')).toBe('found anew');
    expect([done(), logged]).toEqual([2, ['what is shared cannot be read: asking anew']]);
  });

  test('what is too large for a record is shared in parts, as long as any other', async () => {
    const store = await opened();
    const { ask, done, instance, pass, logged } = desk(store);
    const value = large(3);
    await ask(value);
    pass(6 * dayMs);
    const found = await ask('');
    expect(found === value).toBe(true);
    expect((await instance().recall('evaluation/a'))?.atMs).toBe(1_000);
    expect(done()).toBe(1);
    expect(await keysOf(store, 'parts', '', 7 * dayMs)).toHaveLength(3);
    expect(await keysOf(store, 'parts', '', 7 * dayMs + 1_000)).toEqual([]);
    expect(logged).toEqual([]);
  });

  test.each([
    { why: 'gone', change: (store: StateStore, key: string, version: number) => store.remove('parts', key, version) },
    {
      why: 'another',
      change: (store: StateStore, key: string, version: number) =>
        store.put('parts', { key, value: 'x'.repeat(largestPart) }, version, 1_000),
    },
  ])('with a part that is $why it is as if nothing were kept, until it is made good', async ({ change }) => {
    const store = await opened();
    const { ask, done, instance } = desk(store);
    const value = large(3);
    await ask(value);
    const [, second] = await store.load('parts', '', 1_000);
    await change(store, second?.key ?? '', second?.version ?? 0);
    expect(await instance().recall('evaluation/a')).toBeUndefined();
    expect((await ask(value)) === value).toBe(true);
    expect(done()).toBe(2);
    expect((await ask('')) === value).toBe(true);
    expect(done()).toBe(2);
  });
});

describe('clocks that differ', () => {
  const at = (store: StateStore, nowMs: number) =>
    new Shared({
      store,
      clock: { nowMs: () => nowMs, sleep: () => new Promise((resolve) => setTimeout(resolve, 2)) },
      log: () => {},
      failureFreshMs: 0,
    });
  const work = (value: string) => async () => ({ value, freshMs: 0 });

  test.each([60_000, -60_000])('by %i ms: what was finished while one waited is as good as one’s own', async (ms) => {
    const store = closing(await (storages[0] as (typeof storages)[0]).open());
    const held = Promise.withResolvers<void>();
    const first = at(store, 1_000_000).once('a', async () => {
      await held.promise;
      return work('first')();
    });
    await vi.waitFor(async () => expect(await keysOf(store, 'shared', 'a', 1_000_000)).toHaveLength(1));
    const second = at(store, 1_000_000 + ms).once('a', work('second'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    held.resolve();
    expect([(await first).value, (await second).value]).toEqual(['first', 'first']);
    // It was finished before.
    expect((await at(store, 1_000_000 + ms).once('a', work('third'))).value).toBe('third');
  });
});

describe('in parts', () => {
  const opened = async () => closing(await (storages[0] as (typeof storages)[0]).open());

  test('there are so many at most: beyond, each does the work, and the log says so once', async () => {
    const store = await opened();
    const { instance, logged } = desk(store);
    const shared = instance();
    let done = 0;
    const work = async () => ({ value: large(mostParts + 3, done++), freshMs: anyAge });
    await shared.once('evaluation/a', work);
    await shared.once('evaluation/a', work);
    expect(done).toBe(2);
    expect(logged).toEqual(['a result is too large to be shared: whoever asks the same asks HSS']);
    expect(await keysOf(store, 'parts', '', 1_000)).toEqual([]);
  });

  test('there is nothing that is new every few seconds', async () => {
    const store = await opened();
    const { ask, done } = desk(store);
    await ask(large(2), 15_000);
    await ask(large(2), 15_000);
    expect(done()).toBe(2);
    expect(await keysOf(store, 'parts', '', 1_000)).toEqual([]);
  });

  test('what cannot be written keeps nobody waiting', async () => {
    const store = await opened();
    const { StoreError } = await import('../../lib/app/state.ts');
    const full: StateStore = {
      ...store,
      async put(group, record, over, nowMs) {
        if (group === 'parts') throw new StoreError('no room');
        return store.put(group, record, over, nowMs);
      },
    };
    const { ask, done, logged } = desk(full);
    const value = large(2);
    expect((await ask(value)) === value).toBe(true);
    expect((await ask(value)) === value).toBe(true);
    expect([done(), logged.length]).toEqual([2, 2]);
  });
});
