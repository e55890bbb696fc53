import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StateStore, StoreError } from '../../lib/app/state.ts';
import { InputError } from '../../lib/core/errors.ts';
import { createDynamoStore } from '../../lib/stores/dynamodb.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';
import { openStore } from '../../lib/stores/open.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { increment } from '../support/increment.ts';
import { closing, failureOf, keysOf, only, putNew, temporaryFolder } from '../support/stores.ts';

let dynamo: Dynamo;
beforeAll(async () => {
  dynamo = await startDynamo();
});
afterAll(() => dynamo.close());

/** Opens the same, still empty, storage as often as it is called. */
type Open = () => Promise<StateStore>;

async function memory(): Promise<Open> {
  const store = createMemoryStore();
  return async () => closing(store);
}

async function sqlite(): Promise<Open> {
  const path = join(await temporaryFolder(), 'state.db');
  return async () => closing(await openSqliteStore(path));
}

async function dynamodb(): Promise<Open> {
  const table = await dynamo.createTable();
  return async () => closing(createDynamoStore({ ...dynamo.access, table }));
}

const long = '日'.repeat(511);

/** Keys that a database may take for something else. */
const anyKeys = [
  ...['a', 'A', ' ', 'a b', 'é', 'e\u0301', 'ß', 'İ', '日本', '😀', '\u{10ffff}'],
  ...['#', 'a#b', '%', 'a%', '_', "'", '"', "'; DROP TABLE record; --", '\\', '/', '*', ':group', '\n', '\0', 'a\0b'],
  ...['\ud83d', '\ude00', '\ude00\ud83d', '\ufffd', '\ufffdd83d', '\ufffd#', '\uffff', '__proto__', 'null', '0'],
  ...['x'.repeat(512), `${long}a`, `${long}b`, '😀'.repeat(256), '\ud83d'.repeat(512)],
];

describe.each([
  { name: 'memory', storage: memory },
  { name: 'sqlite', storage: sqlite },
  { name: 'dynamodb', storage: dynamodb },
])('$name', ({ storage }) => {
  const fresh = async () => (await storage())();

  test('has nothing at first', async () => {
    const store = await fresh();

    expect(await store.load('alerts', '', 0)).toEqual([]);
    expect(await store.load('alerts', 'a', 0)).toEqual([]);
  });

  test('gives what was written, with the version that the writer was told', async () => {
    const store = await fresh();

    const version = await putNew(store, 'alerts', 'a', { count: 1 });

    expect(version).toBeGreaterThanOrEqual(1);
    expect(Number.isSafeInteger(version)).toBe(true);
    expect(await store.load('alerts', 'a', 0)).toStrictEqual([{ key: 'a', value: { count: 1 }, version }]);
  });

  test('shows one opening what another one wrote', async () => {
    const open = await storage();
    const [one, other] = [await open(), await open()];
    const version = await putNew(one, 'alerts', 'a', 1);

    expect(await only(other, 'alerts', 'a')).toEqual({ key: 'a', value: 1, version });
    const next = await other.put('alerts', { key: 'a', value: 2 }, version, 0);
    expect(await only(one, 'alerts', 'a')).toEqual({ key: 'a', value: 2, version: next });
    expect(await one.put('alerts', { key: 'a', value: 3 }, version, 0)).toBeUndefined();
  });

  test('keeps what was written when it is closed and opened again', async () => {
    const open = await storage();
    const store = await open();
    const version = await putNew(store, 'alerts', 'a', { count: 1 });
    await store.close();
    await store.close();

    expect(await only(await open(), 'alerts', 'a')).toEqual({ key: 'a', value: { count: 1 }, version });
  });

  test('finds by prefix, and by nothing else', async () => {
    const store = await fresh();
    for (const key of ['a', 'ab', 'ab#1', 'ab#2', 'ac', 'b', 'Ab', 'a%', 'a_b', 'ab\uffff', 'ab😀', 'ab😁', '%']) {
      await putNew(store, 'alerts', key);
    }

    expect(await keysOf(store, 'alerts', 'ab')).toEqual(['ab', 'ab#1', 'ab#2', 'ab😀', 'ab😁', 'ab\uffff']);
    expect(await keysOf(store, 'alerts', 'ab#')).toEqual(['ab#1', 'ab#2']);
    expect(await keysOf(store, 'alerts', 'ab#1')).toEqual(['ab#1']);
    expect(await keysOf(store, 'alerts', 'ab#1 ')).toEqual([]);
    expect(await keysOf(store, 'alerts', '%')).toEqual(['%']);
    expect(await keysOf(store, 'alerts', 'a_')).toEqual(['a_b']);
    expect(await keysOf(store, 'alerts', 'ab\ud83d')).toEqual(['ab😀', 'ab😁']);
    expect(await keysOf(store, 'alerts', 'ab😀')).toEqual(['ab😀']);
    expect(await keysOf(store, 'alerts', '')).toHaveLength(13);
  });

  test('sorts by code unit, not by letter, byte or code point', async () => {
    const store = await fresh();
    for (const key of ['\uffff', 'é', 'z', '\ue000', 'a10', 'Z', '😀', 'a', 'a2', 'á', '\ud7ff']) {
      await putNew(store, 'alerts', key);
    }

    expect(await keysOf(store, 'alerts')).toEqual([
      ...['Z', 'a', 'a10', 'a2', 'z', 'á', 'é', '\ud7ff', '😀', '\ue000', '\uffff'],
    ]);
  });

  test('takes any text as a key, and takes no two for the same', async () => {
    const store = await fresh();
    const versions = new Map<string, number>();
    for (const key of anyKeys) versions.set(key, await putNew(store, 'alerts', key, { is: key }));

    expect(await keysOf(store, 'alerts')).toEqual([...anyKeys].sort());
    for (const key of anyKeys) {
      const version = versions.get(key) as number;
      const found = await store.load('alerts', key, 0);
      expect(found.filter((record) => record.key === key)).toEqual([{ key, value: { is: key }, version }]);
      expect(found.map((record) => record.key)).toEqual(anyKeys.filter((other) => other.startsWith(key)).sort());
      expect(await store.put('alerts', { key, value: { is: key } }, 0, 0)).toBeUndefined();
    }
    for (const key of anyKeys) expect(await store.remove('alerts', key, versions.get(key) as number)).toBe(true);
    expect(await keysOf(store, 'alerts')).toEqual([]);
  });

  test('finds long keys by long prefixes', async () => {
    const store = await fresh();
    for (const key of [`${long}a`, `${long}b`, '日'.repeat(400), '月']) await putNew(store, 'alerts', key);

    expect(await keysOf(store, 'alerts', '日')).toEqual(['日'.repeat(400), `${long}a`, `${long}b`]);
    expect(await keysOf(store, 'alerts', '日'.repeat(400))).toEqual(['日'.repeat(400), `${long}a`, `${long}b`]);
    expect(await keysOf(store, 'alerts', '日'.repeat(401))).toEqual([`${long}a`, `${long}b`]);
    expect(await keysOf(store, 'alerts', `${long}b`)).toEqual([`${long}b`]);
    expect(await keysOf(store, 'alerts', `${long}bc`)).toEqual([]);
  });

  test('keeps groups apart, whatever they are called', async () => {
    const store = await fresh();
    const groups = ['a', 'aa', 'A', 'a#', '#', "'", '日本', '\ud83d', '😀', '%', '__proto__'];
    for (const group of groups) {
      await putNew(store, group, 'k', group);
      await putNew(store, group, 'a', group);
    }

    for (const group of groups) {
      expect((await store.load(group, '', 0)).map(({ key, value }) => ({ key, value }))).toEqual([
        { key: 'a', value: group },
        { key: 'k', value: group },
      ]);
    }
    expect(await store.remove('a', 'k', (await only(store, 'a', 'k')).version)).toBe(true);
    expect(await keysOf(store, 'a')).toEqual(['a']);
    expect(await keysOf(store, 'aa')).toEqual(['a', 'k']);
  });

  test('writes only over the version that was read', async () => {
    const store = await fresh();
    const put = (value: unknown, over: number) => store.put('alerts', { key: 'a', value }, over, 0);

    const first = (await put('first', 0)) as number;
    expect(await put('also first', 0)).toBeUndefined();
    const second = (await put('second', first)) as number;
    expect(second).not.toBe(first);
    expect(await put('late', first)).toBeUndefined();
    expect(await put('early', second + 1)).toBeUndefined();
    expect(await put('first again', 0)).toBeUndefined();
    const third = await put('third', second);

    expect(await only(store, 'alerts', 'a')).toEqual({ key: 'a', value: 'third', version: third });
    expect(await store.put('alerts', { key: 'b', value: 'never there' }, 1, 0)).toBeUndefined();
    expect(await keysOf(store, 'alerts')).toEqual(['a']);
  });

  test('removes only the version that was read', async () => {
    const store = await fresh();
    const first = await putNew(store, 'alerts', 'a', 1);
    const second = (await store.put('alerts', { key: 'a', value: 2 }, first, 0)) as number;

    expect(await store.remove('alerts', 'a', first)).toBe(false);
    expect(await store.remove('alerts', 'a', 0)).toBe(false);
    expect(await store.remove('alerts', 'b', 1)).toBe(false);
    expect(await store.remove('nothing', 'a', second)).toBe(false);
    expect(await only(store, 'alerts', 'a')).toEqual({ key: 'a', value: 2, version: second });

    expect(await store.remove('alerts', 'a', second)).toBe(true);
    expect(await store.remove('alerts', 'a', second)).toBe(false);
    expect(await store.put('alerts', { key: 'a', value: 3 }, second, 0)).toBeUndefined();
    expect(await keysOf(store, 'alerts')).toEqual([]);
    await putNew(store, 'alerts', 'a', 4);
    expect((await only(store, 'alerts', 'a')).value).toBe(4);
  });

  test('takes what is over for absent, from that millisecond on', async () => {
    const store = await fresh();
    const put = (value: unknown, over: number, nowMs: number, expiresAtMs?: number) =>
      store.put('log', { key: 'a', value, expiresAtMs }, over, nowMs);

    const first = (await put('first', 0, 1_000, 2_000)) as number;
    expect(await store.load('log', 'a', 1_999)).toEqual([
      { key: 'a', value: 'first', version: first, expiresAtMs: 2_000 },
    ]);
    expect(await store.load('log', 'a', 2_000)).toEqual([]);
    expect(await put('too early', 0, 1_999, 3_000)).toBeUndefined();
    expect(await put('too late', first, 2_000, 3_000)).toBeUndefined();

    const again = (await put('again', 0, 2_000, 3_000)) as number;
    expect(await store.load('log', '', 2_000)).toEqual([
      { key: 'a', value: 'again', version: again, expiresAtMs: 3_000 },
    ]);

    const longer = (await put('longer', again, 2_999, 4_000)) as number;
    expect((await only(store, 'log', 'a', 3_999)).value).toBe('longer');

    const forever = await put('for ever', longer, 3_999);
    expect(await store.load('log', '', 1e15)).toStrictEqual([{ key: 'a', value: 'for ever', version: forever }]);
  });

  test('writes something lasting over what is over', async () => {
    const store = await fresh();
    await store.put('log', { key: 'a', value: 1, expiresAtMs: 1_000 }, 0, 0);

    const version = await store.put('log', { key: 'a', value: 2 }, 0, 1_000);

    expect(await store.load('log', '', 1e15)).toStrictEqual([{ key: 'a', value: 2, version }]);
  });

  test.each(
    [
      ...[null, true, false, 0, -1, 1.5, 1e300, Number.MAX_SAFE_INTEGER, '', 'text', [], {}, [null], ['a', 1]],
      ...['null', '{"a":1}', 'ünï😀\0\ud800"\\\n', [[], [null, {}]], { '': { a: [1, 'b', null] }, '😀': '\ufffd' }],
    ].map((value) => ({ value })),
  )('keeps the value $value', async ({ value }) => {
    const store = await fresh();
    await putNew(store, 'alerts', 'a', value);

    expect((await only(store, 'alerts', 'a')).value).toStrictEqual(value);
  });

  test('keeps a value as it was when it was written', async () => {
    const store = await fresh();
    const value = { list: [1], no: undefined };
    await putNew(store, 'alerts', 'a', value);
    value.list.push(2);
    const loaded = (await only(store, 'alerts', 'a')).value as { list: number[] };
    expect(loaded).toStrictEqual({ list: [1] });
    loaded.list.push(3);

    expect((await only(store, 'alerts', 'a')).value).toStrictEqual({ list: [1] });
  });

  test('keeps a value of 350 KiB under the longest key, and refuses a longer one', async () => {
    const store = await fresh();
    const key = '日'.repeat(512);
    const big = 'é'.repeat((350 * 1024 - 2) / 2);
    const version = await putNew(store, 'alerts', key, big);

    expect((await only(store, 'alerts', '日')).value === big).toBe(true);
    const error = await failureOf(store.put('alerts', { key, value: `${big}e` }, version, 0));
    expect(error).toBeInstanceOf(StoreError);
    expect(error.message).toBe('record of alerts: 358401 bytes, more than 358400');
    expect(await only(store, 'alerts', key)).toEqual({ key, value: big, version });
  });

  test('gives a thousand records of 5 kB, in order', async () => {
    const store = await fresh();
    const text = 'x'.repeat(5_000);
    const keys = Array.from({ length: 1_000 }, (_, i) => `alert#${i}`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => putNew(store, 'alerts', key, { key, text })));
    }

    const records = await store.load('alerts', 'alert#', 0);

    expect(records.map(({ key }) => key)).toEqual([...keys].sort());
    expect(records.every(({ key, value }) => (value as { key: string }).key === key)).toBe(true);
    expect(await keysOf(store, 'alerts', 'alert#99')).toHaveLength(11);
  });

  test('loses none of a hundred increments by ten who add at once', async () => {
    const open = await storage();
    const stores = [await open(), await open()] as const;
    const add = async (store: StateStore) => {
      for (let i = 0; i < 10; i++) await increment(store, 'n', 'n');
    };
    await Promise.all(Array.from({ length: 10 }, (_, i) => add(i % 2 === 0 ? stores[0] : stores[1])));

    expect((await only(stores[0], 'n', 'n')).value).toBe(100);
  });

  test('lets one of many win who write the same new record', async () => {
    const store = await fresh();
    const writers = Array.from({ length: 20 }, (_, i) => i);
    const versions = await Promise.all(writers.map((value) => store.put('alerts', { key: 'a', value }, 0, 0)));

    const won = writers.filter((i) => versions[i] !== undefined);
    expect(won).toHaveLength(1);
    expect((await only(store, 'alerts', 'a')).value).toBe(won[0]);
  });

  test.each([
    { why: 'no key', key: '', value: 1 },
    { why: 'a key too long', key: 'x'.repeat(513), value: 1 },
    { why: 'no JSON', key: 'a', value: undefined },
    { why: 'a function', key: 'a', value: () => {} },
    { why: 'no time', key: 'a', value: 1, expiresAtMs: Number.NaN },
  ])('refuses a record with $why', async ({ key, value, expiresAtMs }) => {
    const store = await fresh();

    expect(await failureOf(store.put('alerts', { key, value, expiresAtMs }, 0, 0))).toBeInstanceOf(StoreError);
    expect(await keysOf(store, 'alerts')).toEqual([]);
  });

  test('does under any sequence of operations what a model of it does', async () => {
    const store = await fresh();
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 25 }), async (operations) => {
        const group = `run ${run++}`;
        expect(await follow(createStoreClient(store, group), operations)).toEqual(
          await follow(createModel(), operations),
        );
      }),
      { numRuns: 40, seed: 7 },
    );
  });
});

/** What a record is written over: what is known to be there, nothing, or something it was before. */
type Over = 'current' | 'new' | 'stale';

type Operation =
  | { readonly do: 'put'; readonly key: string; readonly over: Over; readonly lastsMs: number | undefined }
  | { readonly do: 'remove'; readonly key: string; readonly over: Over }
  | { readonly do: 'load'; readonly prefix: string }
  | { readonly do: 'pass'; readonly ms: number };

const key = fc.constantFrom('a', 'ab', 'b', '😀', '\uffff');
const over = fc.constantFrom<Over>('current', 'current', 'new', 'stale');
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      key,
      over,
      lastsMs: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), key, over }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('load' as const), prefix: fc.constantFrom('', 'a', 'ab', '\ud83d') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3 }) }) },
);

/** A store as one user sees it, without the numbers of the versions. */
interface Subject {
  put(key: string, value: number, over: Over, nowMs: number, expiresAtMs: number | undefined): Promise<boolean>;
  remove(key: string, over: Over): Promise<boolean>;
  load(prefix: string, nowMs: number): Promise<readonly unknown[]>;
}

async function follow(subject: Subject, operations: readonly Operation[]): Promise<unknown[]> {
  let nowMs = 1_000;
  const seen: unknown[] = [];
  for (const [i, step] of operations.entries()) {
    if (step.do === 'pass') nowMs += step.ms;
    if (step.do === 'load') seen.push(await subject.load(step.prefix, nowMs));
    if (step.do === 'remove') seen.push(await subject.remove(step.key, step.over));
    if (step.do === 'put') {
      const expiresAtMs = step.lastsMs === undefined ? undefined : nowMs + step.lastsMs;
      seen.push(await subject.put(step.key, i, step.over, nowMs, expiresAtMs));
    }
  }
  return [...seen, await subject.load('', nowMs)];
}

function createStoreClient(store: StateStore, group: string): Subject {
  const versions = new Map<string, number[]>();
  const versionOf = (key: string, over: Over) => {
    const known = versions.get(key) ?? [];
    if (over === 'new') return 0;
    return known.at(over === 'current' ? -1 : -2) ?? 1_000_000;
  };
  return {
    async put(key, value, over, nowMs, expiresAtMs) {
      const version = await store.put(group, { key, value, expiresAtMs }, versionOf(key, over), nowMs);
      if (version !== undefined)
        versions.set(key, over === 'new' ? [version] : [...(versions.get(key) ?? []), version]);
      return version !== undefined;
    },
    remove: (key, over) => store.remove(group, key, versionOf(key, over)),
    async load(prefix, nowMs) {
      return (await store.load(group, prefix, nowMs)).map(({ key, value, expiresAtMs }) => ({
        key,
        value,
        expiresAtMs,
      }));
    },
  };
}

/** The contract in a dozen lines: a list of records, of which at most one is there. */
function createModel(): Subject {
  let records: { key: string; value: number; expiresAtMs: number | undefined }[] = [];
  const isOver = (expiresAtMs: number | undefined, nowMs: number) => expiresAtMs !== undefined && expiresAtMs <= nowMs;
  return {
    async put(key, value, over, nowMs, expiresAtMs) {
      const there = records.find((record) => record.key === key && !isOver(record.expiresAtMs, nowMs));
      if (over === 'stale' || (over === 'new') !== (there === undefined)) return false;
      records = [...records.filter((record) => record.key !== key), { key, value, expiresAtMs }];
      return true;
    },
    async remove(key, over) {
      const isThere = over === 'current' && records.some((record) => record.key === key);
      if (isThere) records = records.filter((record) => record.key !== key);
      return isThere;
    },
    async load(prefix, nowMs) {
      return records
        .filter((record) => record.key.startsWith(prefix) && !isOver(record.expiresAtMs, nowMs))
        .sort((a, b) => (a.key < b.key ? -1 : 1));
    },
  };
}

describe('openStore', () => {
  test('opens what a config names, a file relative to its folder', async () => {
    const folder = await temporaryFolder();
    const table = await dynamo.createTable();

    for (const url of ['memory:', 'sqlite:deep/er/state.db', `dynamodb:${table}`]) {
      const store = closing(await openStore(url, { folder, dynamodb: dynamo.access }));
      await putNew(store, 'alerts', 'a', url);
      expect((await only(store, 'alerts', 'a')).value).toBe(url);
    }
    const file = closing(await openSqliteStore(join(folder, 'deep', 'er', 'state.db')));
    expect((await only(file, 'alerts', 'a')).value).toBe('sqlite:deep/er/state.db');
    expect(await dynamo.items(table, 'alerts')).toHaveLength(1);
  });

  test('takes an absolute path as it is', async () => {
    const path = join(await temporaryFolder(), 'state.db');
    await putNew(closing(await openStore(`sqlite:${path}`, { folder: '/nowhere' })), 'alerts', 'a', 1);

    expect((await only(closing(await openSqliteStore(path)), 'alerts', 'a')).value).toBe(1);
  });

  test('takes the ARN of a table of another account', async () => {
    const arn = 'arn:aws:dynamodb:eu-west-1:123456789012:table/state';

    closing(await openStore(`dynamodb:${arn}`, { folder: '/' }));
  });

  test.each([
    ...['', 'state.db', 'redis:x', 'postgres://u:p@h/d', 'memory:x', 'sqlite:', 'sqlite://state.db', 'SQLITE:x'],
    ...['dynamodb:', 'dynamodb:ab', 'dynamodb://table', 'dynamodb:a table', 'constructor:x'],
  ])('refuses %j and says what there is', async (url) => {
    const error = await failureOf(openStore(url, { folder: '/nowhere' }));

    expect(error).toBeInstanceOf(InputError);
    expect(error.message).toMatch(/write memory:, sqlite:PATH or dynamodb:TABLE$/);
  });
});
