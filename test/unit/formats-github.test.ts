import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { renderGithub } from '../../lib/core/render/github.ts';
import { hostileResult } from '../fixtures/formats/hostile.ts';
import { doubted, failing, passing, policyFile, reported, strict, undetermined } from '../fixtures/formats/samples.ts';
import { evaluation, rule } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

const commandsOf = (told: Evaluation) => workflowCommands(renderGithub(told, { policyFile }));

test('the parser finds what the runner finds', () => {
  const log = '  ::error file=a%2Cb,line=3::x%0Ay%250A\n::unknown::x\na ##[warning code=1;]old\n:: error::x\n::debug::';

  expect(workflowCommands(log)).toEqual([
    { command: 'error', properties: { file: 'a,b', line: '3' }, data: 'x\ny%0A' },
    { command: 'warning', properties: { code: '1' }, data: 'old' },
    { command: 'debug', properties: {}, data: '' },
  ]);
});

test('what fails is an error at the line of its rule, with the worst findings and how many more there are', () => {
  const [worst] = commandsOf(failing);

  expect(worst).toMatchObject({
    command: 'error',
    properties: { file: policyFile, line: '5', title: 'no-high-vulnerabilities (critical): 42 found, 0 allowed' },
  });
  expect(worst?.data.split('\n')).toEqual([
    'nothing High or worse goes to production',
    expect.stringMatching(/^- Critical CVE-2026-1001 in openssl 1.1.1k, image .*; fix: /),
    ...Array.from({ length: 4 }, () => expect.stringMatching(/^- /)),
    'and 37 more',
    expect.stringMatching(/^- waived by W-12 until 2027-01-23 05:33 UTC: High CVE-2026-1090 /),
    expect.stringMatching(/^- waived by W-12 /),
    'and 1 more waived',
  ]);
});

test.each([
  { told: failing, is: ['error', 'error', 'error', 'error', 'warning', 'notice', 'notice'] },
  { told: passing, is: ['notice'] },
  { told: undetermined, is: ['error', 'error'] },
  { told: doubted, is: ['error', 'notice'] },
  { told: strict, is: ['error'] },
  { told: reported, is: ['error'] },
])('errors are what keeps the verdict from being a pass: $told.verdict $is', ({ told, is }) => {
  const kinds = commandsOf({ ...told, waivers: [] }).map(({ command }) => command);

  expect(kinds).toEqual(is);
  expect(kinds.includes('error')).toBe(told.verdict !== 'pass');
});

test('waivers that somebody has to look at are warnings at their line', () => {
  const waivers = commandsOf(failing).filter(({ properties }) => properties.title?.startsWith('waiver'));

  expect(waivers.map(({ command, properties }) => `${command} ${properties.line} ${properties.title}`)).toEqual([
    'warning 58 waiver W-3 waives 1 finding of no-root-shells until 2026-11-29 05:33 UTC, which is soon',
    expect.stringMatching(/^warning 64 waiver W-9 expired at 2026-11-23 05:33 UTC and waives nothing: /),
    'warning 70 waiver W-5 covers 31 findings of baseline, granted for 10: it waives nothing',
    'notice 76 waiver W-7 matches nothing of listeners in this report: remove it, unless another cluster needs it',
  ]);
});

test('of each kind there are ten, the most urgent, and the rest is counted', () => {
  const rules = Array.from({ length: 13 }, (_, i) =>
    rule('ports', { id: `r${i}`, count: 1, severity: i ? 'low' : 'critical' }),
  );
  const warns = rules.slice(0, 11).map((one) => ({ ...one, status: 'warn' as const }));
  const text = renderGithub(evaluation({ rules: [...rules.toReversed(), ...warns] }), { policyFile });

  expect(workflowCommands(text).filter(({ command }) => command === 'error')).toHaveLength(10);
  expect(workflowCommands(text)[0]?.properties.title).toBe('r0 (critical): 1 found, 0 allowed');
  expect(text.trimEnd().split('\n').at(-1)).toBe('and 3 more errors, 1 more warning: GitHub shows 10 of a kind');
});

test('without a policy file there is no place, and still a message', () => {
  const [command] = workflowCommands(renderGithub(strict, {}));

  expect(command?.properties).toEqual({ title: 'listeners (high): 1 found, 0 allowed' });
});

test('whatever the texts: the commands are ours, and all is told or counted', () => {
  fc.assert(
    fc.property(hostileResult, ({ told, policyFile }) => {
      const text = renderGithub(told, { policyFile });
      const lines = text.trimEnd().split('\n');
      const commands = workflowCommands(text);

      const own = lines.filter((line) => line.startsWith('::'));
      expect(commands).toHaveLength(own.length);
      expect(lines.slice(1, 1 + own.length)).toEqual(own);
      expect(lines.length - own.length).toBeLessThanOrEqual(2);
      expect(unsafe(text).filter((problem) => !/bracket|mention/.test(problem))).toEqual([]);
      if (told.verdict !== 'pass' && told.rules.length > 0) expect(text).toMatch(/^::error /m);

      const counted = [...text.matchAll(/(?<=^and .*)(\d+) more (?:error|warning|notice)/gm)].map(([, n]) => Number(n));
      const broken = told.rules.filter(({ status }) => status === 'fail' || status === 'warn' || status === 'observed');
      const titles = commands.map(({ properties }) => properties.title ?? '');
      const shown = broken.filter(({ id, severity }) =>
        titles.some((title) => title.startsWith(`${id} (${severity})`)),
      );
      expect(shown.length + counted.reduce((a, b) => a + b, 0)).toBeGreaterThanOrEqual(broken.length);
      for (const { id, severity, count, findings, message } of shown) {
        const { data = '' } =
          commands.find(({ properties }) => properties.title?.startsWith(`${id} (${severity})`)) ?? {};
        const told = data.split('\n').slice(message ? 1 : 0);
        const listed = told.filter((line) => /^- (?!waived by)/.test(line)).length;
        const more = told.map((line) =>
          Number(/^(?:and )?([\d,]+) (?:more|not shown)$/.exec(line)?.[1]?.replaceAll(',', '') ?? 0),
        );
        expect(listed).toBeLessThanOrEqual(findings.length);
        expect(listed + more.reduce((a, b) => a + b, 0)).toBe(count);
      }
    }),
    { numRuns: 30 },
  );
});
