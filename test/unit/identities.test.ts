import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Identities, keptIdentities } from '../../lib/core/identities.ts';

const resultOf = (numbers: Iterable<number>) => {
  const identities = new Identities();
  for (const number of numbers) identities.add(number);
  return identities.result();
};

test('the smallest different numbers are kept, whatever their order', () => {
  const many = Array.from({ length: 20_000 }, (_, i) => (i * 7919) % 10_007);
  const smallest = Array.from({ length: keptIdentities }, (_, i) => i);
  expect(resultOf(many)).toEqual({ identities: smallest, distinct: 20_000 });
  expect(resultOf([...many].reverse())).toEqual(resultOf(many));
  expect(resultOf([...many].sort((a, b) => b - a))).toEqual(resultOf(many));
});

test('as many as can be kept are all of them', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { maxLength: 100 }), (numbers) => {
      const different = [...new Set(numbers)].sort((a, b) => a - b);
      expect(resultOf(numbers)).toEqual({ identities: different, distinct: different.length });
    }),
  );
  const all = Array.from({ length: keptIdentities }, (_, i) => i);
  expect(resultOf([...all, ...all, ...all, ...all, ...all])).toEqual({ identities: all, distinct: keptIdentities });
});
