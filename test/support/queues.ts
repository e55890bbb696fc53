import { DeleteMessageCommand, GetQueueAttributesCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { startFauxqs } from 'fauxqs';
import { openQueue, type Queue } from '../../lib/queue/sqs.ts';

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
  readonly env: Readonly<Record<string, string>>;
  readonly sourcesUrl: string;
  readonly deadLettersUrl: string;
  readonly retriesUrl: string;
  open(url: string): Queue;
  /** The next message, as Lambda gets it; undefined: there is none now. */
  receive(url: string): Promise<QueueRecord | undefined>;
  delete(url: string, record: QueueRecord): Promise<void>;
  /** How many messages there are. */
  depth(url: string): Promise<number>;
  close(): Promise<void>;
}

const region = 'eu-west-1';

/** SQS on loopback, with the queues of the template: what was received three times goes to the dead letters. */
export async function startQueues(visibilitySeconds = 960): Promise<Queues> {
  const server = await startFauxqs({ port: 0, logger: false, defaultRegion: region });
  const fifo = { FifoQueue: 'true' };
  const dead = server.createQueue('dead.fifo', { attributes: fifo });
  const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.queueArn, maxReceiveCount: 3 });
  const VisibilityTimeout = String(visibilitySeconds);
  const sources = server.createQueue('sources.fifo', { attributes: { ...fifo, VisibilityTimeout, RedrivePolicy } });
  const retries = server.createQueue('retries', { attributes: { VisibilityTimeout: '330' } });
  const endpoint = `http://127.0.0.1:${server.port}`;
  const credentials = { accessKeyId: 'AKIAQUEUES', secretAccessKey: 'queues/secret/canary' };
  const client = new SQSClient({ endpoint, region, credentials });
  const at = (url: string) => `${endpoint}${new URL(url).pathname}`;
  const opened: Queue[] = [];
  return {
    endpoint,
    env: {
      AWS_ENDPOINT_URL_SQS: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    sourcesUrl: at(sources.queueUrl),
    deadLettersUrl: at(dead.queueUrl),
    retriesUrl: at(retries.queueUrl),
    open(url) {
      const queue = openQueue(url);
      opened.push(queue);
      return queue;
    },
    async receive(url) {
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
    },
    async delete(url, { receiptHandle }) {
      await client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: receiptHandle }));
    },
    async depth(url) {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] }),
      );
      return Number(Attributes?.ApproximateNumberOfMessages);
    },
    async close() {
      for (const queue of opened) queue.close();
      client.destroy();
      await server.stop();
    },
  };
}
