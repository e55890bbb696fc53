import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identityNumber } from '../../lib/core/fingerprint.ts';
import { IdentityNumbers } from '../../lib/core/identity-numbers.ts';
import { type FindingKind, fields, findingKinds } from '../../lib/core/report.ts';

/** What is like another value, and is not the same, or is the same, and does not look so. */
const value = fc.constantFrom(
  undefined,
  '',
  'a',
  'b',
  '1',
  1,
  0,
  'a","b',
  'x'.repeat(300),
  'x'.repeat(2001),
  'x'.repeat(2002),
);

function finding(kind: FindingKind) {
  return fc.record(Object.fromEntries(Object.keys(fields[kind]).map((field) => [field, value])));
}

test.each(findingKinds)('%s: the numbers are those of each finding by itself, in whatever order they come', (kind) => {
  fc.assert(
    fc.property(fc.array(finding(kind), { minLength: 1, maxLength: 60 }), (findings) => {
      const numbers = new IdentityNumbers(kind);
      for (const one of [...findings, ...findings]) expect(numbers.of(one)).toBe(identityNumber(kind, one));
    }),
  );
});

test.each([
  { why: 'all different', vulnerability: (i: number) => `CVE-${i}` },
  { why: 'each three times', vulnerability: (i: number) => `CVE-${Math.floor(i / 3)}` },
  { why: 'the same ones again and again', vulnerability: (i: number) => `CVE-${i % 5000}` },
])('of more than are kept they are so too: $why', ({ vulnerability }) => {
  const numbers = new IdentityNumbers('vulnerabilities');
  const findings = Array.from({ length: 20_000 }, (_, i) => ({ image: 'a', vulnerability: vulnerability(i) }));
  const wrong = findings.filter((one) => numbers.of(one) !== identityNumber('vulnerabilities', one));
  expect(wrong).toEqual([]);
});

test('what is there once more is not hashed again, whatever its version', () => {
  const numbers = new IdentityNumbers('vulnerabilities');
  let read = 0;
  const versionOf = (image_version: string) => ({
    image: 'a',
    image_version,
    package: 'openssl',
    get vulnerability() {
      read++;
      return 'CVE-1';
    },
  });
  numbers.of(versionOf('1'));
  const first = read;
  numbers.of(versionOf('2'));
  // To be looked up it is read once, to be hashed and kept more often.
  expect(read - first).toBeLessThan(first);
});
