import { randomInt, randomUUID } from 'node:crypto';
import type { AttributeValue, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { type StateStore, type StoredRecord, StoreError } from '../app/state.ts';
import { dynamoError, isConditionFailed } from './dynamodb-errors.ts';
import { sortKey, sortKeyPrefix } from './dynamodb-keys.ts';
import { fromKeyText, toKeyText } from './key-text.ts';
import { byKey, type RecordText, recordText, storedRecord } from './record.ts';

export interface DynamoOptions {
  readonly table: string;
  readonly endpoint?: string | undefined;
  /** Default: that of the environment. */
  readonly region?: string | undefined;
  /** Default: those of the environment. */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
    | undefined;
  /** How often a request is sent at most, when it was throttled or its answer was lost. */
  readonly maxAttempts?: number | undefined;
  /** For each attempt. */
  readonly timeoutMs?: number | undefined;
}

type Sdk = typeof import('./dynamodb-client.ts');
type Item = Record<string, AttributeValue>;

/**
 * A table with the string keys `pk` (group) and `sk` (key). An item has also
 * `v` version, `d` the value as JSON, `t` the token of the write that made it, `k` the key when `sk` is cut,
 * `e` when it is over in milliseconds, `ttl` the same in seconds: to be named as the table's time-to-live attribute.
 *
 * Needs no transactions and no index; permissions Query, GetItem, PutItem and DeleteItem. The SDK is loaded at the
 * first call.
 */
export function createDynamoStore(options: DynamoOptions): StateStore {
  const { table } = options;
  let connected: Promise<{ readonly sdk: Sdk; readonly client: DynamoDBClient }> | undefined;

  /** Do something with the service; whatever fails is an error of the store. */
  async function attempt<T>(what: string, action: (client: DynamoDBClient, sdk: Sdk) => Promise<T>): Promise<T> {
    try {
      connected ??= connect(options);
      const { client, sdk } = await connected;
      return await action(client, sdk);
    } catch (error) {
      throw dynamoError(error, table, what);
    }
  }

  /** The token of the write that made an item. */
  async function readToken(client: DynamoDBClient, sdk: Sdk, Key: Item): Promise<string | undefined> {
    const { Item } = await client.send(
      new sdk.GetItemCommand({
        TableName: table,
        Key,
        ConsistentRead: true,
        ProjectionExpression: '#t',
        ExpressionAttributeNames: { '#t': 't' },
      }),
    );
    return Item?.t?.S;
  }

  return {
    load: (group, prefix, nowMs) =>
      attempt('load', async (client, sdk) => {
        const records: StoredRecord[] = [];
        let ExclusiveStartKey: Item | undefined;
        do {
          const page = await client.send(
            new sdk.QueryCommand({
              TableName: table,
              ConsistentRead: true,
              ...queryOf(group, sortKeyPrefix(prefix), nowMs),
              ExclusiveStartKey,
            }),
          );
          for (const item of page.Items ?? []) {
            const record = recordOf(group, item, table);
            if (record.key.startsWith(prefix)) records.push(record);
          }
          ExclusiveStartKey = page.LastEvaluatedKey;
        } while (ExclusiveStartKey !== undefined);
        return records.sort(byKey);
      }),

    put: (group, record, over, nowMs) =>
      attempt('write', async (client, sdk) => {
        const token = randomUUID();
        const version = over === 0 ? firstVersion() : over + 1;
        const Item = itemOf(group, recordText(group, record), version, token);
        try {
          await client.send(new sdk.PutItemCommand({ TableName: table, Item, ...conditionOver(over, nowMs) }));
          return version;
        } catch (error) {
          if (!isConditionFailed(error)) throw error;
          // When the answer to our own write is lost, the SDK sends it again and it meets itself.
          const isOurs = (await readToken(client, sdk, keyOf(group, record.key))) === token;
          return isOurs ? version : undefined;
        }
      }),

    remove: (group, key, over) =>
      attempt('remove', async (client, sdk) => {
        const Key = keyOf(group, key);
        try {
          await client.send(new sdk.DeleteItemCommand({ TableName: table, Key, ...conditionVersion(over) }));
          return true;
        } catch (error) {
          if (!isConditionFailed(error)) throw error;
          // Sent more than once and nothing there now: an attempt whose answer was lost has removed it. Or somebody else
          // did between two attempts, which cannot be told apart, and leaves the same.
          return attemptsOf(error) > 1 && (await readToken(client, sdk, Key)) === undefined;
        }
      }),

    async close() {
      const open = await connected?.catch(() => undefined);
      open?.client.destroy();
    },
  };
}

async function connect({ endpoint, region, credentials, maxAttempts = 5, timeoutMs = 10_000 }: DynamoOptions) {
  const sdk = await import('./dynamodb-client.ts');
  const client = new sdk.DynamoDBClient({
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(credentials !== undefined && { credentials }),
    maxAttempts,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
  });
  return { sdk, client };
}

/**
 * Never the same for a record that comes again: a request that was sent twice, or a run that slept, would take the new
 * one for the one it read.
 */
function firstVersion(): number {
  return randomInt(1, 2 ** 40);
}

function queryOf(group: string, prefix: string, nowMs: number) {
  const values = { ':group': { S: toKeyText(group) }, ':now': { N: String(nowMs) } };
  const names = { '#pk': 'pk', '#e': 'e' };
  const FilterExpression = 'attribute_not_exists(#e) OR #e > :now';
  // An empty text is no value for a key.
  if (prefix === '') {
    return {
      KeyConditionExpression: '#pk = :group',
      FilterExpression,
      ExpressionAttributeNames: names,
      ExpressionAttributeValues: values,
    };
  }
  return {
    KeyConditionExpression: '#pk = :group AND begins_with(#sk, :prefix)',
    FilterExpression,
    ExpressionAttributeNames: { ...names, '#sk': 'sk' },
    ExpressionAttributeValues: { ...values, ':prefix': { S: prefix } },
  };
}

/** Over 0: nothing is there, or what is there is over. */
function conditionOver(over: number, nowMs: number) {
  const now = { ':now': { N: String(nowMs) } };
  if (over === 0) {
    return {
      ConditionExpression: 'attribute_not_exists(#pk) OR #e <= :now',
      ExpressionAttributeNames: { '#pk': 'pk', '#e': 'e' },
      ExpressionAttributeValues: now,
    };
  }
  return {
    ConditionExpression: '#v = :over AND (attribute_not_exists(#e) OR #e > :now)',
    ExpressionAttributeNames: { '#v': 'v', '#e': 'e' },
    ExpressionAttributeValues: { ':over': { N: String(over) }, ...now },
  };
}

function conditionVersion(over: number) {
  return {
    ConditionExpression: '#v = :over',
    ExpressionAttributeNames: { '#v': 'v' },
    ExpressionAttributeValues: { ':over': { N: String(over) } },
  };
}

function keyOf(group: string, key: string): Item {
  return { pk: { S: toKeyText(group) }, sk: { S: sortKey(key).sortKey } };
}

function itemOf(group: string, { key, text, expiresAtMs }: RecordText, version: number, token: string): Item {
  return {
    ...keyOf(group, key),
    ...(sortKey(key).isCut && { k: { S: toKeyText(key) } }),
    v: { N: String(version) },
    d: { S: text },
    t: { S: token },
    ...(expiresAtMs !== undefined && {
      e: { N: String(expiresAtMs) },
      ttl: { N: String(Math.ceil(expiresAtMs / 1000)) },
    }),
  };
}

/** @throws {StoreError} the item was made by somebody else */
function recordOf(group: string, { sk, k, v, d, e }: Item, table: string): StoredRecord {
  const key = k?.S ?? sk?.S;
  if (key === undefined || d?.S === undefined || v?.N === undefined) {
    throw new StoreError(`dynamodb:${table}: load: an item is none of Portcullis`);
  }
  const expiresAtMs = e?.N === undefined ? undefined : Number(e.N);
  return storedRecord(group, { key: fromKeyText(key), text: d.S, expiresAtMs }, Number(v.N));
}

/** How often the SDK sent the request that failed. */
function attemptsOf(error: unknown): number {
  return (error as { $metadata?: { attempts?: number } }).$metadata?.attempts ?? 1;
}
