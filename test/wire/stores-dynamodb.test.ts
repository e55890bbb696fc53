import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { StoreError } from '../../lib/app/state.ts';
import { listen } from '../../lib/simulator/loopback.ts';
import { createDynamoStore, type DynamoOptions } from '../../lib/stores/dynamodb.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { startDynamoProxy } from '../support/dynamo-proxy.ts';
import { closing, failureOf, keysOf, only, putNew } from '../support/stores.ts';

let dynamo: Dynamo;
beforeAll(async () => {
  dynamo = await startDynamo();
});
afterAll(() => dynamo.close());

/** A store, another run's store of the same table, and what stands between the first and the table. */
async function setUp(options: Partial<DynamoOptions> = {}) {
  const table = await dynamo.createTable();
  const proxy = await startDynamoProxy(dynamo.access.endpoint);
  const store = closing(createDynamoStore({ ...dynamo.access, endpoint: proxy.url, table, ...options }));
  const other = closing(createDynamoStore({ ...dynamo.access, table }));
  onTestFinished(async () => {
    await proxy.close();
    expect(proxy.left()).toBe(0);
  });
  return { table, proxy, store, other };
}

/** A failure of the store, which says nothing that is secret wherever one looks. */
async function storeErrorOf(action: Promise<unknown>): Promise<string> {
  const error = await failureOf(action);
  expect(error).toBeInstanceOf(StoreError);
  const everything = `${inspect(error, { depth: 10, showHidden: true })} ${error.stack} ${JSON.stringify(error)}`;
  expect(everything).not.toMatch(/CANARY|AKIDEXAMPLE|authorization/i);
  return error.message;
}

const lost = { kind: 'answer-lost' } as const;

test('a write whose answer is lost is not taken for somebody else’s', async () => {
  const { store, proxy } = await setUp();

  proxy.fail('PutItem', lost);
  const first = await store.put('alerts', { key: 'a', value: 1 }, 0, 0);
  expect(first).toBeGreaterThanOrEqual(1);
  expect(proxy.seen).toEqual(['PutItem', 'PutItem', 'GetItem']);
  expect(await only(store, 'alerts', 'a')).toEqual({ key: 'a', value: 1, version: first });

  proxy.fail('PutItem', lost, lost);
  const second = await store.put('alerts', { key: 'a', value: 2 }, first as number, 0);
  expect(second).toBe((first as number) + 1);
  expect(await only(store, 'alerts', 'a')).toEqual({ key: 'a', value: 2, version: second });
});

test('a write whose answer is lost, under a key that is cut', async () => {
  const { store, proxy } = await setUp();

  proxy.fail('PutItem', lost);
  expect(await putNew(store, 'alerts', '日'.repeat(512))).toBeGreaterThanOrEqual(1);
});

test('a refusal whose answer is lost stays one', async () => {
  const { store, other, proxy } = await setUp();
  const version = await putNew(other, 'alerts', 'a', 'theirs');

  proxy.fail('PutItem', lost);
  expect(await store.put('alerts', { key: 'a', value: 'ours' }, 0, 0)).toBeUndefined();
  proxy.fail('PutItem', lost);
  expect(await store.put('alerts', { key: 'a', value: 'ours' }, version + 1, 0)).toBeUndefined();
  proxy.fail('DeleteItem', lost);
  expect(await store.remove('alerts', 'a', version + 1)).toBe(false);
  expect(await only(store, 'alerts', 'a')).toEqual({ key: 'a', value: 'theirs', version });
});

test('a write whose answer is lost and that somebody built on is read again', async () => {
  const { store, other, proxy } = await setUp();
  const buildOn = async () => {
    const { version } = await only(other, 'alerts', 'a');
    await other.put('alerts', { key: 'a', value: 'theirs' }, version, 0);
  };

  proxy.fail('PutItem', { kind: 'answer-lost', meanwhile: buildOn });

  expect(await store.put('alerts', { key: 'a', value: 'ours' }, 0, 0)).toBeUndefined();
  expect((await only(store, 'alerts', 'a')).value).toBe('theirs');
});

test('a removal whose answer is lost counts', async () => {
  const { store, proxy } = await setUp();
  const version = await putNew(store, 'alerts', 'a');

  proxy.fail('DeleteItem', lost);

  expect(await store.remove('alerts', 'a', version)).toBe(true);
  expect(await keysOf(store, 'alerts')).toEqual([]);
});

test('a removal that is sent twice does not take what came between', async () => {
  const { store, other, proxy } = await setUp();
  const version = await putNew(store, 'alerts', 'a', 'old');

  proxy.fail('DeleteItem', { kind: 'answer-lost', meanwhile: () => putNew(other, 'alerts', 'a', 'new') });
  await store.remove('alerts', 'a', version);

  expect((await only(store, 'alerts', 'a')).value).toBe('new');
});

test('waits and tries again when it is throttled', async () => {
  const { store, proxy } = await setUp();
  const throttled = { kind: 'error', name: 'ProvisionedThroughputExceededException' } as const;
  proxy.fail('PutItem', throttled, throttled);
  proxy.fail('Query', throttled);

  await putNew(store, 'alerts', 'a', 1);

  expect((await only(store, 'alerts', 'a')).value).toBe(1);
  expect(proxy.seen).toEqual(['PutItem', 'PutItem', 'PutItem', 'Query', 'Query']);
});

test('reads a group page by page, over pages on which everything is over as well', async () => {
  const { store, proxy } = await setUp();
  const text = 'x'.repeat(300_000);
  for (let i = 0; i < 9; i++) await store.put('alerts', { key: `a${i}`, value: text, expiresAtMs: 1_000 }, 0, 0);
  await putNew(store, 'alerts', 'b', text);
  const before = proxy.seen.length;

  expect(await keysOf(store, 'alerts', '', 1_000)).toEqual(['b']);
  expect(proxy.seen.slice(before)).toEqual(['Query', 'Query', 'Query']);
  expect(await keysOf(store, 'alerts', '', 999)).toHaveLength(10);
});

test('writes items as they are documented, with a time to live that is never too early', async () => {
  const { store, table } = await setUp();
  const version = await store.put('log', { key: 'a', value: { b: 1 }, expiresAtMs: 1_700_000_000_001 }, 0, 0);
  await putNew(store, 'lasting', 'a');

  expect(await dynamo.items(table, 'log')).toEqual([
    {
      pk: { S: 'log' },
      sk: { S: 'a' },
      v: { N: String(version) },
      d: { S: '{"b":1}' },
      t: { S: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      e: { N: '1700000000001' },
      ttl: { N: '1700000001' },
    },
  ]);
  expect(Object.keys((await dynamo.items(table, 'lasting'))[0] ?? {}).sort()).toEqual(['d', 'pk', 'sk', 't', 'v']);
});

test('refuses an item that somebody else put into the table', async () => {
  const { store, table } = await setUp();
  await dynamo.putItem(table, { pk: { S: 'alerts' }, sk: { S: 'a' }, name: { S: 'CANARY' } });

  expect(await storeErrorOf(store.load('alerts', '', 0))).toBe(
    `dynamodb:${table}: load: an item is none of Portcullis`,
  );
});

test('says that there is no such table', async () => {
  const store = closing(createDynamoStore({ ...dynamo.access, table: 'no-such-table' }));
  const says = 'ResourceNotFoundException: there is no such table in this region and account';

  expect(await storeErrorOf(store.load('alerts', '', 0))).toBe(`dynamodb:no-such-table: load: ${says}`);
  expect(await storeErrorOf(store.put('alerts', { key: 'a', value: 'CANARY' }, 0, 0))).toBe(
    `dynamodb:no-such-table: write: ${says}`,
  );
  expect(await storeErrorOf(store.remove('alerts', 'a', 1))).toBe(`dynamodb:no-such-table: remove: ${says}`);
});

test('says that the table has other keys', async () => {
  const table = await dynamo.createTable({ pk: 'id', sk: 'at' });
  const store = closing(createDynamoStore({ ...dynamo.access, table }));

  expect(await storeErrorOf(store.put('alerts', { key: 'a', value: 'CANARY' }, 0, 0))).toBe(
    `dynamodb:${table}: write: ValidationException: check that the keys of the table are "pk" and "sk", both strings`,
  );
});

test.each([
  { name: 'AccessDeniedException', says: /lack a permission: dynamodb:Query, GetItem, PutItem and DeleteItem/ },
  { name: 'UnrecognizedClientException', says: /not valid/ },
  { name: 'SomethingNewException', says: /SomethingNewException$/ },
  { name: 'Two words: CANARY', says: /write: \w+$/ },
])('says what $name means, and nothing that the service said', async ({ name, says }) => {
  const { store, proxy } = await setUp();
  proxy.fail('PutItem', { kind: 'error', name, message: 'CANARY is not authorized on arn:aws:CANARY' });

  expect(await storeErrorOf(store.put('alerts', { key: 'a', value: 'CANARY' }, 0, 0))).toMatch(says);
});

test('does not take a failure to look for an answer', async () => {
  const { store, other, proxy } = await setUp();
  await putNew(other, 'alerts', 'a');
  proxy.fail('GetItem', { kind: 'error', name: 'AccessDeniedException' });

  expect(await storeErrorOf(store.put('alerts', { key: 'a', value: 'CANARY' }, 0, 0))).toMatch(/GetItem/);
});

test('gives up soon on a server that cannot be reached', { timeout: 15_000 }, async () => {
  const { url, close } = await listen(() => {});
  await close();
  const store = closing(createDynamoStore({ ...dynamo.access, endpoint: url, table: 'state' }));

  expect(await storeErrorOf(store.put('alerts', { key: 'a', value: 'CANARY' }, 0, 0))).toBe(
    'dynamodb:state: write: ECONNREFUSED: cannot be reached',
  );
});

test('gives up on a server that does not answer, each time', async () => {
  let asked = 0;
  const { url, close } = await listen(() => {
    asked++;
  });
  onTestFinished(close);
  const options = { ...dynamo.access, endpoint: url, table: 'state', timeoutMs: 50, maxAttempts: 2 };
  const store = closing(createDynamoStore(options));

  expect(await storeErrorOf(store.load('alerts', '', 0))).toBe('dynamodb:state: load: TimeoutError: cannot be reached');
  expect(asked).toBe(2);
});

test.each([
  {
    without: 'credentials',
    options: { region: 'eu-west-1' },
    says: /CredentialsProviderError: there are no AWS credentials/,
  },
  {
    without: 'region',
    options: { credentials: { accessKeyId: 'a', secretAccessKey: 'b' } },
    says: /no AWS region is set/,
  },
])('says that there is no $without', async ({ options, says }) => {
  for (const name of Object.keys(process.env).filter((key) => key.startsWith('AWS_'))) vi.stubEnv(name, undefined);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  vi.stubEnv('AWS_CONFIG_FILE', '/dev/null');
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', '/dev/null');
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const store = closing(createDynamoStore({ endpoint: dynamo.access.endpoint, table: 'state', ...options }));

  expect(await storeErrorOf(store.load('alerts', '', 0))).toMatch(says);
});

test('closes without ever having been used', async () => {
  await createDynamoStore({ table: 'state' }).close();
});
