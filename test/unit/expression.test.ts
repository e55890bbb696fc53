import { Environment } from '@marcbachmann/cel-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileWhere, type Expression, isProblem } from '../../lib/core/expression.ts';
import { preparePatterns } from '../../lib/core/pattern.ts';
import type { Finding } from '../../lib/core/report.ts';

await preparePatterns('matches()');

function compile(text: string, kind: 'ports' | 'vulnerabilities' | 'packages' = 'ports'): Expression {
  const compiled = compileWhere(kind, text);
  if (isProblem(compiled)) throw new Error(compiled.message);
  return compiled;
}

/** The library alone, with the logic of three values: undefined where it throws. */
const library = new Environment()
  .registerVariable('port', 'int')
  .registerVariable('pid', 'int')
  .registerVariable('path', 'string')
  .registerVariable('host', 'string');

function byLibrary(text: string, { port, pid, ...texts }: Finding): boolean | undefined {
  const ints = Object.entries({ port, pid }).filter(([, value]) => value !== undefined);
  const context = { ...texts, ...Object.fromEntries(ints.map(([name, value]) => [name, BigInt(value as number)])) };
  try {
    return library.evaluate(text, context) === true;
  } catch {
    return undefined;
  }
}

const text = fc.constantFrom('"a"', '"ab"', '""', '"b\\"c"', "'é😀'");
const int = fc.constantFrom('0', '1', '-1', '443');
const term = fc
  .oneof(
    fc.tuple(
      fc.constantFrom('path', 'host'),
      fc.constantFrom('==', '!=', '<', '>='),
      fc.oneof(text, fc.constantFrom('path', 'host')),
    ),
    fc.tuple(
      fc.constantFrom('port', 'pid'),
      fc.constantFrom('==', '!=', '<', '<=', '>', '>='),
      fc.oneof(int, fc.constantFrom('port', 'pid')),
    ),
    fc.tuple(int, fc.constantFrom('==', '<'), fc.constantFrom('port', 'pid')),
  )
  .map((parts) => parts.join(' '));
const call = fc
  .tuple(fc.constantFrom('path', 'host'), fc.constantFrom('startsWith', 'endsWith', 'contains'), text)
  .map(([field, name, part]) => `${field}.${name}(${part})`);
const list = fc
  .oneof(
    fc.tuple(fc.constantFrom('port', 'pid'), fc.array(int, { minLength: 1, maxLength: 3 })),
    fc.tuple(fc.constantFrom('path', 'host'), fc.array(text, { minLength: 1, maxLength: 3 })),
  )
  .map(([field, values]) => `${field} in [${values.join(', ')}]`);
const condition = fc.letrec<{ any: string }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(term, call, list, fc.constantFrom('true', 'false', 'size(path) > 1')),
    fc.tuple(tie('any'), fc.constantFrom('&&', '||'), tie('any')).map(([l, op, r]) => `(${l} ${op} ${r})`),
    tie('any').map((inner) => `!(${inner})`),
    fc.tuple(tie('any'), tie('any'), tie('any')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
  ),
})).any;
const finding = fc.record(
  {
    path: fc.constantFrom('', 'a', 'ab', 'b"c', 'é😀', 'xab'),
    host: fc.constantFrom('a', 'b'),
    port: fc.constantFrom(0, 1, 443),
    pid: fc.constantFrom(-1, 1),
  },
  { requiredKeys: [] },
);

test('a condition says what the library says of it, whichever fields are absent', () => {
  const told = { true: 0, false: 0, undefined: 0 };
  fc.assert(
    fc.property(condition, fc.array(finding, { minLength: 1, maxLength: 4 }), (where, findings) => {
      const expression = compile(where);
      for (const one of findings) {
        const expected = byLibrary(where, one);
        told[`${expected}`]++;
        expect(expression.test(one), `${where} of ${JSON.stringify(one)}`).toBe(expected);
      }
    }),
    { numRuns: 3000 },
  );
  expect(Math.min(told.true, told.false, told.undefined)).toBeGreaterThan(300);
});

describe('a condition', () => {
  test.each([
    { where: 'package == "package"', finding: { package: 'package' }, is: true },
    { where: '"package" == package && package != "a.package"', finding: { package: 'package' }, is: true },
    { where: 'updated_at < timestamp("2026-01-01T00:00:00Z")', finding: { updated_at: 1 }, is: true },
    { where: 'updated_at < timestamp("2026-01-01T00:00:00Z")', finding: {}, is: undefined },
    {
      where: 'package.matches("^open.*") && container.size() == 0',
      finding: { package: 'openssl', container: '' },
      is: true,
    },
    { where: '[package, container].exists(x, x == "y")', finding: { package: 'x', container: 'y' }, is: true },
  ])('$where of $finding is $is', ({ where, finding, is }) => {
    expect(compile(where, 'packages').test(finding as Finding)).toBe(is);
  });

  test('with a pattern takes linear time, whatever the name', () => {
    const { test } = compile('path.matches("^(a+)+$") || matches(host, "(?i)TERM")');
    expect(test({ path: `${'a'.repeat(5000)}!`, host: 'xterm' })).toBe(true);
    expect(test({ path: `${'a'.repeat(5000)}!`, host: 'x' })).toBe(false);
  });

  test('names its fields, and the equalities without which it cannot hold', () => {
    const { fields, equalities } = compile(
      'image == "a" && ("b" == package || severity == "High") && (image_version == "1")',
      'vulnerabilities',
    );
    expect([...fields].sort()).toEqual(['image', 'image_version', 'package', 'severity']);
    expect([...equalities]).toEqual([
      ['image', 'a'],
      ['image_version', '1'],
    ]);
  });
});
