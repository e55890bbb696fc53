import { expect, test } from 'vitest';
import { tickAt } from '../../functions/messages.ts';
import { clockSkewMs } from '../../lib/core/duration.ts';

const nowMs = Date.UTC(2026, 10, 2, 12);
const isoOf = (ms: number) => new Date(ms).toISOString();

test.each([
  ['as it was asked for, in UTC', '2026-11-02T12:00:00+02:00', '2026-11-02T10:00:00.000Z'],
  ['of a clock that is ahead as much as clocks are', isoOf(nowMs + clockSkewMs), isoOf(nowMs + clockSkewMs)],
  ['now, for what lies in the future', isoOf(nowMs + clockSkewMs + 1), isoOf(nowMs)],
])('a tick is %s', (_, tick, is) => {
  expect(tickAt(tick, nowMs)).toBe(is);
});
