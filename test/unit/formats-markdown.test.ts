import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { expect, test } from 'vitest';
import { renderMarkdown } from '../../lib/core/render/markdown.ts';
import { hostileResult } from '../fixtures/formats/hostile.ts';
import { doubted, failing, passing, reported, undetermined } from '../fixtures/formats/samples.ts';
import { evaluation, rule, vulnerability } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

function htmlOf(markdown: string): string {
  return micromark(markdown, { extensions: [gfm()], htmlExtensions: [gfmHtml()], allowDangerousHtml: true });
}

const ours = /^(?:h2|p|table|thead|tbody|tr|th|td|ol|ul|li|strong|code|br|details|summary)$/;

/** What GitHub or GitLab would make of texts that nobody here wrote. */
function markupProblems(markdown: string): readonly string[] {
  const html = htmlOf(markdown);
  const tags = [...html.matchAll(/<\/?([a-z][a-z0-9]*)([^>]*)>/gi)].filter(([, tag = '']) => !ours.test(tag));
  const prose = html
    .replace(/<code>[\s\S]*?<\/code>/g, 'x')
    .replace(/<[^>]*>/g, ' ')
    .replace(
      /&(?:lt|gt|quot|amp);/g,
      (entity) => ({ '&lt;': '<', '&gt;': '>', '&quot;': '"', '&amp;': '&' })[entity] ?? '',
    );
  const problems = tags.map(([tag]) => `a tag: ${tag}`);
  for (const [what, pattern] of [
    ['a mention', /@[\w"]/],
    ['a reference', /[#!&~^][\w"]|\bGH-\d/],
    ['a link', /:\/\/|\bwww\./i],
    ['an emoji name', /:[\w+'-]+:/],
  ] as const) {
    const found = pattern.exec(prose);
    if (found !== null) problems.push(`${what}: ${prose.slice(Math.max(0, found.index - 20), found.index + 20)}`);
  }
  return problems;
}

test('the first line is the verdict, then the rules, worst first', () => {
  const lines = renderMarkdown(failing).split('\n');

  expect(lines[0]).toBe('## ❌ FAIL: `prod-eu` by policy `production`');
  expect(lines.filter((line) => line.startsWith('| ')).map((line) => line.split('`')[1])).toEqual([
    undefined,
    undefined,
    'no-high-vulnerabilities',
    'no-privileged-containers',
    'baseline',
    'failed-checks',
    'medium-budget',
    'listeners',
    'no-root-shells',
  ]);
});

test('the way to green is three steps and how many more', () => {
  const [, way = ''] = /\*\*Way to green\*\*\n\n([\s\S]*?)\n\n<details>/.exec(renderMarkdown(failing)) ?? [];

  expect(way.split('\n')).toEqual([
    '1. Upgrade `openssl` in `registry/shop/checkout:1.40.0` clears 41 of 45; fix: Upgrade openssl to 1.1.1w or later.',
    '2. Fix `Rotate certificates` clears 1 of 45',
    '3. Run `node-agent` of `node-agent` without privileges clears 1 of 45',
    '',
    'and 3 more steps',
  ]);
  expect(renderMarkdown(passing)).not.toContain('Way to green');
});

test.each([
  { told: passing, says: '## ✅ PASS: ' },
  { told: undetermined, says: '**Why it cannot be judged**\n\n- **report-stale**: The newest report' },
  { told: doubted, says: '## ❔ UNDETERMINED: ' },
  { told: reported, says: '- the report counts them, its list does not show them\n- 4 not shown' },
  { told: failing, says: '- ⚠️ `W-9` expired at 2026-11-23 05:33 UTC and waives nothing: 2 findings of' },
])('$told.verdict says: $says', ({ told, says }) => {
  expect(renderMarkdown(told)).toContain(says);
});

test('it is tables, lists and folds to whoever reads Markdown', () => {
  const html = htmlOf(renderMarkdown(failing));

  expect(markupProblems(renderMarkdown(failing))).toEqual([]);
  expect(html.match(/<tr>/g)).toHaveLength(8);
  expect(html.match(/<details><summary><code>/g)).toHaveLength(6);
  expect(html).toContain('<li><strong>Critical</strong> <code>CVE-2026-1001</code> in <code>openssl 1.1.1k</code>');
});

test('what is broken beyond what is shown is counted', () => {
  const rules = Array.from({ length: 130 }, (_, i) =>
    rule('vulnerabilities', { id: `r${i}`, findings: [vulnerability(i)], count: 3 }),
  );
  const text = renderMarkdown(evaluation({ rules }));

  expect(text).toContain('\n\nand 30 more rules\n\n');
  expect(text).toContain('\n\nand 315 findings of 105 more broken rules\n');
});

test('whatever the texts: nobody is called, nothing is linked, and all is told or counted', () => {
  fc.assert(
    fc.property(hostileResult, ({ told }) => {
      const text = renderMarkdown(told);

      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(2 ** 20);
      expect(markupProblems(text)).toEqual([]);
      expect(unsafe(text).filter((problem) => !/bracket|mention/.test(problem))).toEqual([]);
      expect(workflowCommands(text)).toEqual([]);
      const table = text.split('\n').filter((line) => line.startsWith('| '));
      for (const row of table) expect(row.split('|')).toHaveLength(9);
      expect(htmlOf(text).match(/<tr>/g)?.length ?? 0).toBe(table.length === 0 ? 0 : table.length - 1);

      const blocks = [...text.matchAll(/^<details><summary><code>(.*?)<\/code>[\s\S]*?<\/details>$/gm)];
      const broken = told.rules.filter(({ status }) => status === 'fail' || status === 'warn' || status === 'observed');
      expect(blocks).toHaveLength(Math.min(25, broken.length));
      for (const [block, id] of blocks) {
        const one = told.rules.find((rule) => rule.id === id);
        const lines = block.split('\n').filter((line) => line.startsWith('- '));
        const more = Number(/^- (?:and )?([\d,]+) (?:more|not shown)$/m.exec(block)?.[1]?.replaceAll(',', '') ?? 0);
        const groups = (one?.groups?.length ?? 0) + (one?.omittedGroups ?? 0);
        const shownGroups = Math.min(5, one?.groups?.length ?? 0);
        const others =
          shownGroups + (groups > shownGroups ? 1 : 0) + (one?.evidence === 'reported' ? 1 : 0) + (more > 0 ? 1 : 0);
        expect(lines.length - others + more).toBe(one?.count);
      }
    }),
    { numRuns: 40 },
  );
});
