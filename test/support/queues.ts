import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type QueueAttributeName,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { startFauxqs } from 'fauxqs';
import { openQueue, type Queue } from '../../lib/queue/sqs.ts';
import { type QueueSettings, readService } from './service.ts';

/** A record of an event of Lambda, as far as a handler looks at it. */
export interface QueueRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly eventSource: 'aws:sqs';
  readonly eventSourceARN: string;
  readonly awsRegion: string;
}

export interface Queues {
  readonly endpoint: string;
  /** What a function needs to reach them. */
  readonly env: Readonly<Record<string, string>>;
  readonly sourcesUrl: string;
  readonly deadLettersUrl: string;
  readonly retriesUrl: string;
  open(url: string): Queue;
  /** The next message, as Lambda gets it; undefined: there is none now. */
  receive(url: string): Promise<QueueRecord | undefined>;
  delete(url: string, record: QueueRecord): Promise<void>;
  /** How many messages there are to be had now. */
  depth(url: string): Promise<number>;
  /** How many there are to be had later: they wait, or somebody is at them. */
  hidden(url: string): Promise<number>;
  /** What an operator does who moves dead letters back. @returns how many */
  redrive(): Promise<number>;
  close(): Promise<void>;
}

const region = 'eu-west-1';

/** SQS on loopback, with the queues of the template. */
export async function startQueues(): Promise<Queues> {
  const service = readService();
  const server = await startFauxqs({ port: 0, logger: false, defaultRegion: region });
  const fifo = { FifoQueue: 'true' };
  const attributes = (settings: QueueSettings, deadLetterTargetArn: string) => ({
    VisibilityTimeout: String(settings.visibilitySeconds),
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn, maxReceiveCount: settings.mostReceives }),
  });
  const dead = server.createQueue('dead.fifo', { attributes: fifo });
  const sources = server.createQueue('sources.fifo', {
    attributes: { ...fifo, ...attributes(service.sources, dead.queueArn) },
  });
  const retriesDead = server.createQueue('retries-dead');
  const retries = server.createQueue('retries', { attributes: attributes(service.retries, retriesDead.queueArn) });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const credentials = { accessKeyId: 'AKIAQUEUES', secretAccessKey: 'queues/secret/canary' };
  const client = new SQSClient({ endpoint, region, credentials });
  const at = (url: string) => `${endpoint}${new URL(url).pathname}`;
  const opened: Queue[] = [];
  async function count(url: string, ...names: QueueAttributeName[]): Promise<number> {
    const { Attributes = {} } = await client.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: names }),
    );
    return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
  }
  async function receive(url: string): Promise<QueueRecord | undefined> {
    const { Messages = [] } = await client.send(
      new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 1, MessageSystemAttributeNames: ['All'] }),
    );
    const [message] = Messages;
    if (message === undefined) return undefined;
    const { MessageId = '', ReceiptHandle = '', Body = '', Attributes = {} } = message;
    return {
      messageId: MessageId,
      receiptHandle: ReceiptHandle,
      body: Body,
      attributes: Attributes as Record<string, string>,
      eventSource: 'aws:sqs',
      eventSourceARN: `arn:aws:sqs:${region}:000000000000:${url.split('/').at(-1)}`,
      awsRegion: region,
    };
  }
  async function remove(url: string, { receiptHandle }: QueueRecord): Promise<void> {
    await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receiptHandle }));
  }
  return {
    endpoint,
    env: {
      AWS_ENDPOINT_URL_SQS: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      PORTCULLIS_SOURCE_QUEUE_URL: at(sources.queueUrl),
      PORTCULLIS_RETRY_QUEUE_URL: at(retries.queueUrl),
      PORTCULLIS_DEAD_LETTER_QUEUE_URL: at(dead.queueUrl),
    },
    sourcesUrl: at(sources.queueUrl),
    deadLettersUrl: at(dead.queueUrl),
    retriesUrl: at(retries.queueUrl),
    open(url) {
      const queue = openQueue(url);
      opened.push(queue);
      return queue;
    },
    receive,
    delete: remove,
    depth: (url) => count(url, 'ApproximateNumberOfMessages'),
    hidden: (url) => count(url, 'ApproximateNumberOfMessagesNotVisible', 'ApproximateNumberOfMessagesDelayed'),
    async redrive() {
      const url = at(dead.queueUrl);
      for (let moved = 0; ; moved++) {
        const record = await receive(url);
        if (record === undefined) return moved;
        await client.send(
          new SendMessageCommand({
            QueueUrl: at(sources.queueUrl),
            MessageBody: record.body,
            MessageGroupId: record.attributes.MessageGroupId ?? '',
            MessageDeduplicationId: `moved ${record.messageId}`,
          }),
        );
        await remove(url, record);
      }
    },
    async close() {
      for (const queue of opened) queue.close();
      client.destroy();
      await server.stop();
    },
  };
}
