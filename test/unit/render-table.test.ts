import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { renderTable } from '../../lib/core/render/table.ts';
import { displayWidth, wrap } from '../../lib/core/render/wrap.ts';
import { hostileEvaluation } from '../fixtures/render/hostile.ts';
import { evaluation, failing, kept, passing, rule, undetermined } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';

test.each([
  { name: 'failing', told: failing, columns: 100 },
  { name: 'failing-narrow', told: failing, columns: 60 },
  { name: 'undetermined', told: undetermined, columns: 100 },
  { name: 'passing', told: passing, columns: 100 },
])('the whole table: $name', async ({ name, told, columns }) => {
  const text = renderTable(told, { colour: false, columns });

  await expect(text).toMatchFileSnapshot(`../fixtures/render/${name}.txt`);
});

test.each([
  { why: 'fails', told: failing, says: 'FAIL prod-eu by policy production: 6 of 7 rules broken' },
  { why: 'passes', told: passing, says: 'PASS prod-eu by policy production: all 2 rules hold' },
  { why: 'cannot be judged', told: undetermined, says: 'UNDETERMINED prod-eu by policy production: 2 of 2 rules' },
  {
    why: 'only warns',
    told: evaluation({ rules: [rule('ports', { status: 'warn', enforce: 'warn', count: 1 })] }),
    says: 'PASS prod-eu by policy production: 1 of 1 rule broken (1 only to warn)',
  },
  {
    why: 'no report, no name',
    told: evaluation({
      cluster: { id: '', name: '', category: '' },
      reasons: [{ kind: 'cluster-absent', message: 'prod-eu is not in the list.' }],
    }),
    says: 'UNDETERMINED (unnamed cluster) by policy production: cannot be judged',
  },
])('the first line says it all: $why', ({ told, says }) => {
  expect(renderTable(told, { colour: false, columns: 200 }).split('\n')[0]).toContain(says);
});

test('for every broken rule: findings shown and counted are all of them', () => {
  const lines = renderTable(failing, { colour: false, columns: 100 }).split('\n');
  const shown = lines.filter((line) => /^ {8}(Critical|High|Medium|Low|Unknown|-) /.test(line)).length;
  const counted = lines.map((line) => Number(/^ {8}(?:and )?(\d+) (?:more|not shown)$/.exec(line)?.[1] ?? 0));

  const total = failing.rules.filter(({ status }) => status !== 'pass').reduce((sum, { count }) => sum + count, 0);
  expect(shown + counted.reduce((sum, n) => sum + n, 0)).toBe(total);
});

test('a count that disagrees is told, once', () => {
  const counts = {
    ...failing.counts,
    ports: { reported: 2, listed: 3 },
    processes: { reported: undefined, listed: 4 },
  };
  const text = renderTable(evaluation({ counts }), { colour: false, columns: 100 });

  expect(text).toContain('ports: 2 reported, 3 listed');
  expect(text).toContain('processes: no count reported, 4 listed');
  expect(renderTable(failing, { colour: false, columns: 100 }).match(/packages: /g)).toHaveLength(1);
});

test('colours are around words, and nothing else changes', () => {
  const plain = renderTable(failing, { colour: false, columns: 100 });
  const coloured = renderTable(failing, { colour: true, columns: 100 });

  expect(coloured).toContain('\x1b[31mFAIL\x1b[0m prod-eu');
  expect(stripVTControlCharacters(coloured)).toBe(plain);
});

test('a report gives the terminal and the CI system no orders', () => {
  const attack = '::error::pwned ##vso[task.complete] \x1b[2J\r\n::stop-commands::x';
  const finding = kept(1, { container: attack, pod: attack.repeat(9), host: attack, status: '', summary: attack });
  const told = evaluation({ rules: [rule('privileged_containers', { findings: [finding] })] });

  for (let columns = 40; columns < 80; columns++) {
    const text = renderTable(told, { colour: false, columns });
    expect(text).not.toMatch(/^\s*::|##\w*\[/m);
    expect(stripVTControlCharacters(text)).toBe(text);
  }
});

test('whatever the texts: within the columns, nothing raw, no line too many', () => {
  fc.assert(
    fc.property(hostileEvaluation, fc.integer({ min: 40, max: 200 }), (told, columns) => {
      const text = renderTable(told, { colour: false, columns });

      const problems = unsafe(text).filter((problem) => !/bracket|mention/.test(problem));
      expect(problems).toEqual([]);
      // One column more where a line was parted from what a CI system takes for a command.
      expect(Math.max(...text.split('\n').map(displayWidth))).toBeLessThanOrEqual(columns + 1);
    }),
    { numRuns: 30 },
  );
});

test.each([
  { text: 'one two three', columns: 8, is: ['one two', '  three'] },
  { text: 'abcdefghij', columns: 6, is: ['abcdef', '  ghij'] },
  { text: '漏洞修复建议', columns: 6, is: ['漏洞修', '  复建', '  议'] },
  { text: 'short', columns: 6, is: ['short'] },
])('wrap: $text', ({ text, columns, is }) => {
  expect(wrap(text, columns, 0, 2)).toEqual(is);
});
