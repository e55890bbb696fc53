import type { AddressInfo } from 'node:net';
import {
  type AttributeValue,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import dynalite from 'dynalite';

export interface Dynamo {
  /** What a client needs, but for the table. */
  readonly access: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  /** A table of its own; by default as the store needs it. @returns its name */
  createTable(keys?: { readonly pk: string; readonly sk: string }): Promise<string>;
  putItem(table: string, item: Record<string, AttributeValue>): Promise<void>;
  /** The items of a group, as they are. */
  items(table: string, group: string): Promise<Record<string, AttributeValue>[]>;
  /** All items of a table, as they are. */
  all(table: string): Promise<Record<string, AttributeValue>[]>;
  close(): Promise<void>;
}

/** DynamoDB on loopback. */
export async function startDynamo(): Promise<Dynamo> {
  const server = dynalite({ createTableMs: 0 });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const access = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'CANARY-secret-key' },
  };
  const client = new DynamoDBClient(access);
  let tables = 0;

  return {
    access,

    async createTable({ pk, sk } = { pk: 'pk', sk: 'sk' }) {
      const TableName = `state-${++tables}`;
      await client.send(
        new CreateTableCommand({
          TableName,
          BillingMode: 'PAY_PER_REQUEST',
          AttributeDefinitions: [pk, sk].map((AttributeName) => ({ AttributeName, AttributeType: 'S' })),
          KeySchema: [
            { AttributeName: pk, KeyType: 'HASH' },
            { AttributeName: sk, KeyType: 'RANGE' },
          ],
        }),
      );
      const isActive = async () =>
        (await client.send(new DescribeTableCommand({ TableName }))).Table?.TableStatus === 'ACTIVE';
      while (!(await isActive()));
      return TableName;
    },

    async putItem(TableName, Item) {
      await client.send(new PutItemCommand({ TableName, Item }));
    },

    async items(TableName, group) {
      const { Items = [] } = await client.send(
        new QueryCommand({
          TableName,
          KeyConditionExpression: 'pk = :group',
          ExpressionAttributeValues: { ':group': { S: group } },
        }),
      );
      return Items;
    },

    async all(TableName) {
      const { Items = [] } = await client.send(new ScanCommand({ TableName }));
      return Items;
    },

    async close() {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
