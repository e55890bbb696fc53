import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';

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
  /**
   * How many messages there are, about, and the bodies of some of them: of a FIFO queue at most ten of each group, which holds
   * back the others meanwhile. They stay, but for those that are over.
   */
  look(
    isOver?: (body: string) => Promise<boolean>,
  ): Promise<{ readonly count: number; readonly bodies: readonly string[] }>;
  /** Show a message that was received again, that many seconds from now, to whoever takes the next. */
  giveBack(receiptHandle: string, seconds: number): Promise<void>;
  close(): void;
}

/** Of ten messages each. */
const mostLooks = 20;
const outOfSightSeconds = 30;

/** How long one try of a call may take; there are three. Nothing waits for new messages here. Milliseconds. */
const defaults = { timeoutMs: 5_000 };

/** @param url of the queue */
export function openQueue(url: string, { timeoutMs }: { readonly timeoutMs: number } = defaults): Queue {
  const client = new SQSClient({
    requestHandler: { connectionTimeout: 3_000, requestTimeout: timeoutMs, throwOnRequestTimeout: true },
  });
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
    async look(isOver) {
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
      const seen: Message[][] = [];
      try {
        while (seen.length < mostLooks) {
          // What was seen is out of sight until all is: else the same ones come again.
          const { Messages = [] } = await client.send(
            new ReceiveMessageCommand({
              QueueUrl: url,
              MaxNumberOfMessages: 10,
              VisibilityTimeout: outOfSightSeconds,
              WaitTimeSeconds: 0,
            }),
          );
          if (Messages.length === 0) break;
          seen.push(Messages);
        }
      } catch (error) {
        // Some of them are better than none.
        if (seen.length === 0) throw error;
      }
      let gone = 0;
      const bodies: string[] = [];
      for (const messages of seen) {
        const verdicts = await Promise.all(messages.map(async ({ Body = '' }) => (await isOver?.(Body)) ?? false));
        const entriesOf = (over: boolean) =>
          messages.flatMap(({ ReceiptHandle }, i) => (verdicts[i] === over ? [{ Id: `${i}`, ReceiptHandle }] : []));
        bodies.push(...messages.flatMap(({ Body }, i) => (verdicts[i] || Body === undefined ? [] : [Body])));
        const [over, others] = [entriesOf(true), entriesOf(false)];
        gone += over.length;
        // Where that fails they are seen again by themselves.
        if (over.length > 0)
          await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries: over })).catch(() => {});
        if (others.length > 0) {
          const Entries = others.map((one) => ({ ...one, VisibilityTimeout: 0 }));
          await client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries })).catch(() => {});
        }
      }
      return { count: count - gone, bodies };
    },
    async giveBack(ReceiptHandle, VisibilityTimeout) {
      await client.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout }));
    },
    close: () => client.destroy(),
  };
}
