import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { atLeast, atMost, budgetLine } from '../../scripts/bench/budget.ts';
import { assertSameAnswers, median } from '../../scripts/bench/contest.ts';
import { sectionNames } from '../../scripts/bench/sections.ts';
import { number, times } from '../../scripts/bench/table.ts';

const run = promisify(execFile);
const main = join(import.meta.dirname, '..', '..', 'scripts', 'bench', 'main.ts');

describe('the bench, with sizes that measure nothing', () => {
  let folder = '';
  let output = '';
  let page = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bench-test-'));
    const file = join(folder, 'page.md');
    await writeFile(file, 'before\n<!-- bench:begin -->\nstale\n<!-- bench:end -->\nafter\n');
    const sizes = ['--mb', '1', '--runs', '1', '--findings', '5000', '--starts', '1'];
    const { stdout } = await run(process.execPath, [main, ...sizes, '--write', file]);
    output = stdout;
    page = await readFile(file, 'utf8');
  }, 240_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('has a table and a budget for every section', () => {
    const parts = output.split('### ').slice(1);

    expect(parts).toHaveLength(sectionNames.length);
    for (const part of parts) {
      expect(rowsOf(part).length).toBeGreaterThan(1);
      expect(part).toMatch(/^- .+: budget .+, measured .+, (kept|\*\*missed\*\*)$/m);
    }
  });

  test.each(['vulnerabilities and privileged containers', 'a rule on every list'])(
    'has readers that agree about the violations, with %s',
    (rules) => {
      const rows = rowsOf(partOf(output, `rules on ${rules}`) ?? partOf(output, rules));
      const installed = (name: string) => rows.some(([reader]) => reader?.startsWith(name));

      expect(rows.map(([reader]) => reader)).toEqual(
        expect.arrayContaining(['Portcullis', '`JSON.parse` and a loop', 'stream-json', '@streamparser/json']),
      );
      for (const name of ['jq', 'gojq'])
        expect([name, installed(name)]).toEqual([name, !new RegExp(`\\b${name} is not`).test(output)]);
      const found = new Set(rows.map((row) => row[5]));
      expect(found.size).toBe(1);
      expect([...found][0]).toMatch(/^[1-9][\d,]*$/);
    },
  );

  test.each([
    {
      part: 'Peak memory',
      rows: [
        'built, two lists',
        'built, every list',
        'built, two lists, tracked as scan does it',
        'from a checkout, every list',
      ],
    },
    { part: 'A report of', rows: ['Portcullis', '`JSON.parse` and a loop', '@streamparser/json'] },
    {
      part: 'Evaluation of',
      rows: [
        'Portcullis, min_severity',
        'the same, tracked for alert memory',
        'the same, and a fingerprint of every High finding',
        'Portcullis, where in CEL',
        'Portcullis, min_severity, without the 10 other waivers',
        'a loop, a Map and Sets by hand',
        'json-rules-engine',
      ],
    },
    {
      part: 'The functions on AWS',
      rows: ['schedule', 'scan', 'deliver', 'gate', 'scan', 'scan', 'gate'].map((name) =>
        expect.stringMatching(`^\`${name}\`: `),
      ),
    },
  ])('has every row of "$part"', ({ part, rows }) => {
    expect(rowsOf(partOf(output, part)).map(([name]) => name)).toEqual(rows);
  });

  test('has the functions beside the SDK', () => {
    expect(rowsOf(partOf(output, 'Cold start')).map(([name]) => name)).toEqual([
      'schedule',
      'scan',
      'deliver',
      'gate',
      expect.stringContaining('@aws-sdk/client-secrets-manager'),
    ]);
  });

  test('tells all violations in the Slack message', () => {
    expect(partOf(output, '100,000 violations')).toContain('shown + counted = 100,000');
  });

  test('puts what it printed between the markers of a page', () => {
    expect(page).toMatch(/^before\n<!-- bench:begin -->\n\n### /);
    expect(page).toMatch(/\n\n<!-- bench:end -->\nafter\n$/);
    expect(page).toContain(output.trim());
    expect(page).not.toContain('stale');
  });
});

test('contenders that disagree fail the bench, by name', () => {
  const saying = (name: string, answer: unknown) => ({
    name,
    runs: [{ wallMs: 1, cpuMs: 1, peakMiB: 1, exitCode: 0, stdout: '', stderr: '', answer }],
  });

  assertSameAnswers([saying('a', { x: 1, y: 2 }), saying('b', { y: 2, x: 1 })]);
  expect(() => assertSameAnswers([saying('a', { x: 1 }), saying('b', { x: 2 })])).toThrow(
    /a: \{"x":1\}\n {2}b: \{"x":2\}/,
  );
});

test.each([
  { budget: atLeast(2.5, 'speed', 5.126, times), line: 'speed: budget >= 2.50x, measured 5.13x, kept' },
  { budget: atLeast(2.5, 'speed', 2.4, times), line: 'speed: budget >= 2.50x, measured 2.40x, **missed**' },
  { budget: atMost(128, 'memory', 128, number), line: 'memory: budget <= 128, measured 128, kept' },
  { budget: atMost(128, 'memory', undefined, number), line: 'memory: budget <= 128, measured -, unknown' },
])('a budget reads "$line"', ({ budget, line }) => {
  expect(budgetLine(budget)).toBe(line);
});

test.each([
  { numbers: [3, 1, 2], middle: 2 },
  { numbers: [4, 1, 2, 3], middle: 2.5 },
  { numbers: [1, undefined, 2], middle: undefined },
  { numbers: [], middle: undefined },
])('the median of $numbers is $middle', ({ numbers, middle }) => {
  expect(median(numbers)).toBe(middle);
});

function partOf(output: string, title: string): string | undefined {
  return output.split('### ').find((part) => part.split('\n')[0]?.includes(title));
}

/** Cells of a Markdown table, without its head. */
function rowsOf(part = ''): string[][] {
  const lines = part.split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}
