import { GetQueueAttributesCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

/** How a message is to be treated. */
export interface Sending {
  /** Of a FIFO queue: messages of a group are worked one after the other. */
  readonly group?: string;
  /** Of a FIFO queue: of several with the same one within 5 minutes the first counts. */
  readonly once?: string;
  /** Of a standard queue: seconds, at most 900. */
  readonly delaySeconds?: number;
}

export interface Queue {
  /** @param body JSON */
  send(body: unknown, sending?: Sending): Promise<void>;
  /** How many messages there are, about, and the bodies of some of them. They stay. */
  look(): Promise<{ readonly count: number; readonly bodies: readonly string[] }>;
  close(): void;
}

/** @param url of the queue */
export function openQueue(url: string): Queue {
  const client = new SQSClient({});
  return {
    async send(body, { group, once, delaySeconds } = {}) {
      await client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody: JSON.stringify(body),
          ...(group !== undefined && { MessageGroupId: group }),
          ...(once !== undefined && { MessageDeduplicationId: once }),
          ...(delaySeconds !== undefined && { DelaySeconds: delaySeconds }),
        }),
      );
    },
    async look() {
      const { Attributes } = await client.send(
        new GetQueueAttributesCommand({
          QueueUrl: url,
          AttributeNames: ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'],
        }),
      );
      // Somebody else may have a look just now.
      const { ApproximateNumberOfMessages: visible = 0, ApproximateNumberOfMessagesNotVisible: hidden = 0 } =
        Attributes ?? {};
      const count = Number(visible) + Number(hidden);
      if (count === 0) return { count, bodies: [] };
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, VisibilityTimeout: 0, WaitTimeSeconds: 0 }),
      );
      return { count, bodies: Messages.flatMap(({ Body }) => (Body === undefined ? [] : [Body])) };
    },
    close: () => client.destroy(),
  };
}
