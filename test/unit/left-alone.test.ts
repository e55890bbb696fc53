import { expect, test } from 'vitest';
import { leavingAlone } from '../../lib/app/left-alone.ts';
import type { Notifier } from '../../lib/app/ports.ts';
import { DeliveryError, InputError, NotTriedError } from '../../lib/core/errors.ts';
import type { Notice } from '../../lib/core/notice.ts';

const noAnswer = new DeliveryError('soc', 'no answer within 15 s', true);
const notice = { id: 'n' } as Notice;

/** Two messages for one receiver, `afterMs` apart, by notifiers of two runs. @returns how often it was asked, and what came of the second */
async function twice(first: Error | undefined, afterMs: number) {
  let nowMs = 1_000_000;
  let asked = 0;
  const leaveAlone = leavingAlone({ nowMs: () => nowMs, sleep: async () => {} });
  const made = (): Notifier =>
    leaveAlone({
      receiver: 'soc',
      async deliver() {
        asked++;
        if (asked === 1 && first !== undefined) throw first;
        return undefined;
      },
    });
  await made()
    .deliver(notice, 0)
    .catch(() => {});
  nowMs += afterMs;
  const other: Notifier = { receiver: 'chat', deliver: async () => undefined };
  await leaveAlone(other).deliver(notice, 0);
  const error = await made()
    .deliver(notice, 0)
    .catch((why: unknown) => why);
  return { asked, error };
}

test.each([
  { why: 'no answer', first: noAnswer, afterMs: 59_999, asked: 1 },
  { why: 'no answer, a minute ago', first: noAnswer, afterMs: 60_000, asked: 2 },
  { why: 'no answer, by a clock that was set back', first: noAnswer, afterMs: -1, asked: 2 },
  { why: 'an answer', first: new DeliveryError('soc', 'answered 503', true, 503), afterMs: 0, asked: 2 },
  { why: 'an address that is refused', first: new DeliveryError('soc', 'refused', false), afterMs: 0, asked: 2 },
  { why: 'no try', first: new NotTriedError('soc', 'there was no time left'), afterMs: 0, asked: 2 },
  { why: 'no secret', first: new InputError('env://SOC: not set'), afterMs: 0, asked: 2 },
  { why: 'a message taken', first: undefined, afterMs: 0, asked: 2 },
])('after $why it is asked $asked times', async ({ first, afterMs, asked }) => {
  const ended = await twice(first, afterMs);
  expect(ended.asked).toBe(asked);
  // What was not sent is owed, and nobody has it.
  if (asked === 1) expect(ended.error).toMatchObject({ name: 'DeliveryError', retryable: true, mayBeTaken: false });
  else expect(ended.error).toBeUndefined();
});
