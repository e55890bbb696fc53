import type { RequestListener } from 'node:http';
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

/** A request as it comes. */
export interface TableCall {
  /** `PutItem` */
  readonly operation: string;
  /** The key that it is signed with: tells who calls. */
  readonly accessKeyId: string;
}

/**
 * DynamoDB on loopback.
 * @param onCall told of every request; `'drop'`: it is not carried out, and never answered
 */
export async function startDynamo(onCall?: (call: TableCall) => 'drop' | undefined): Promise<Dynamo> {
  const server = dynalite({ createTableMs: 0 });
  const [answer] = server.listeners('request') as RequestListener[];
  server.removeAllListeners('request').on('request', (request, response) => {
    const { 'x-amz-target': target = '', authorization = '' } = request.headers;
    const call = {
      operation: String(target).replace(/^.*\./, ''),
      accessKeyId: /Credential=([^/]*)/.exec(authorization)?.[1] ?? '',
    };
    if (onCall?.(call) !== 'drop') answer?.(request, response);
  });
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
