import { expect, test } from 'vitest';
import { backoffMs, parseRetryAfter, readText } from '../../lib/http/request.ts';

const nowMs = Date.UTC(2026, 9, 21, 7, 28, 0);

test.each([
  { value: '120', ms: 120_000 },
  { value: ' 0 ', ms: 0 },
  { value: 'Wed, 21 Oct 2026 07:28:30 GMT', ms: 30_000 },
  { value: 'Wednesday, 21-Oct-26 07:29:00 GMT', ms: 60_000 },
  { value: 'Wed, 21 Oct 2026 07:27:00 GMT', ms: 0 },
  { value: undefined, ms: undefined },
  { value: '', ms: undefined },
  { value: '-5', ms: undefined },
  { value: '1.5', ms: undefined },
  { value: '1e9', ms: undefined },
  { value: 'soon', ms: undefined },
  { value: 'Mon, soon GMT', ms: undefined },
])('Retry-After $value is $ms ms', ({ value, ms }) => {
  expect(parseRetryAfter(value, nowMs)).toBe(ms);
});

test.each([
  { attempt: 1, random: 1, ms: 500 },
  { attempt: 2, random: 1, ms: 1000 },
  { attempt: 3, random: 0.5, ms: 1000 },
  { attempt: 1, random: 0, ms: 0 },
  { attempt: 30, random: 1, ms: 20_000 },
  { attempt: 1, random: 1, retryAfterMs: 90_000, ms: 90_000 },
  { attempt: 3, random: 1, retryAfterMs: 100, ms: 2000 },
])(
  'attempt $attempt at $random of the jitter, Retry-After $retryAfterMs: $ms ms',
  ({ attempt, random, retryAfterMs, ms }) => {
    expect(backoffMs(attempt, { baseMs: 500, capMs: 20_000, random: () => random, retryAfterMs })).toBe(ms);
  },
);

async function* bytes(...pieces: string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}

test.each([
  { pieces: ['ab', 'cd'], limit: 10, text: 'abcd' },
  { pieces: ['ab', 'cd'], limit: 3, text: 'abc' },
  { pieces: ['ab', 'cd'], limit: 2, text: 'ab' },
  { pieces: [], limit: 10, text: '' },
  { pieces: ['aé'], limit: 2, text: 'a\ufffd' },
])('readText takes $limit bytes of $pieces: $text', async ({ pieces, limit, text }) => {
  expect(await readText(bytes(...pieces), limit)).toBe(text);
});

test('readText reads no further than its limit', async () => {
  let pulled = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      pulled += 1;
      yield Buffer.alloc(1000);
    }
  }

  await readText(endless(), 2500);

  expect(pulled).toBe(3);
});
