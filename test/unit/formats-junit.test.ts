import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { renderJunit } from '../../lib/core/render/junit.ts';
import { hostileResult } from '../fixtures/formats/hostile.ts';
import { doubted, failing, passing, reported, strict, undetermined } from '../fixtures/formats/samples.ts';
import { evaluation, rule } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';
import { junitProblems } from '../support/validators.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

interface Case {
  readonly name: string;
  readonly result: string;
  readonly lines: readonly string[];
}

/** `failure`, `error`, `skipped`, or `pass`. The document is valid: that is tested first. */
function casesOf(told: Evaluation): readonly Case[] {
  return [...renderJunit(told).matchAll(/<testcase ([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, attributes = '', body = '']) => {
      const [, result = 'pass'] = /<(failure|error|skipped)/.exec(body) ?? [];
      const text = /<[^>]+>([\s\S]*)<\/[\w-]+>\s*$/.exec(body)?.[1] ?? '';
      return { name: /\bname="([^"]*)"/.exec(attributes)?.[1] ?? '', result, lines: text.split('\n').filter(Boolean) };
    },
  );
}

const resultsOf = (told: Evaluation) => Object.fromEntries(casesOf(told).map(({ name, result }) => [name, result]));

test.each([
  {
    why: 'fails',
    told: failing,
    is: {
      'medium-budget': 'pass',
      'no-high-vulnerabilities': 'failure',
      'no-privileged-containers': 'failure',
      baseline: 'failure',
      listeners: 'pass',
      'no-root-shells': 'skipped',
      'failed-checks': 'failure',
    },
  },
  { why: 'passes', told: passing, is: { 'no-high-vulnerabilities': 'skipped', 'no-root-shells': 'pass' } },
  {
    why: 'cannot be judged',
    told: undetermined,
    is: { 'no-high-vulnerabilities': 'error', 'no-root-shells': 'error' },
  },
  {
    why: 'is doubted, though every rule holds',
    told: doubted,
    is: { 'the cluster can be judged': 'error', 'no-high-vulnerabilities': 'skipped', 'no-root-shells': 'pass' },
  },
  { why: 'fails by warnings only', told: strict, is: { listeners: 'failure' } },
  { why: 'fails by the count of the report', told: reported, is: { 'no-privileged': 'failure' } },
])('one case for each rule: $why', async ({ told, is }) => {
  expect(await junitProblems(renderJunit(told))).toEqual([]);
  expect(resultsOf(told)).toEqual(is);
});

test('a rule that only warns or observes says so', () => {
  const cases = casesOf(failing);
  const first = (name: string) => cases.find((one) => one.name === name)?.lines[0];

  expect(first('medium-budget')).toMatch(/^broken, only to warn: 112 found, 2 groups over the 50 allowed/);
  expect(first('listeners')).toBe('only observed: 5 found, 0 allowed');
});

test.each([
  { why: 'all waived', given: { waived: 2 }, is: 'skipped' },
  { why: 'over the threshold but for waivers', given: { waived: 2, count: 4, max: 5 }, is: 'skipped' },
  { why: 'within the threshold with what is waived', given: { waived: 1, count: 4, max: 5 }, is: 'pass' },
  {
    why: 'groups that hold',
    given: { waived: 9, count: 9, max: 5, per: ['host'], status: 'pass' as const },
    is: 'pass',
  },
  {
    why: 'to observe, and not to be judged',
    given: { status: 'undetermined' as const, enforce: 'observe' as const },
    is: 'pass',
  },
])('a rule with waived findings: $why', ({ given, is }) => {
  expect(resultsOf(evaluation({ rules: [rule('ports', given)] }))).toEqual({ 'a-rule': is });
});

test('a message gives the CI system no orders where a line begins with it', () => {
  const told = rule('ports', { count: 1, message: '::error::gone' });

  expect(renderJunit(evaluation({ rules: [told] }))).toContain('>: :error::gone\n');
});

test('totals are those of the cases', () => {
  expect(renderJunit(failing)).toContain('tests="7" failures="4" errors="0" skipped="1"');
  expect(renderJunit(doubted)).toContain('tests="3" failures="0" errors="1" skipped="1"');
});

test('whatever the texts: valid XML of the schema, and all is told or counted', async () => {
  const told = fc.sample(hostileResult, { numRuns: 30, seed: 7 }).map((one) => one.told);

  expect(await junitProblems(...told.map(renderJunit))).toEqual([]);
  for (const one of told) {
    const text = renderJunit(one);
    const extra = resultsOf(one)['the cluster can be judged'] === undefined ? 0 : 1;
    const cases = casesOf(one);
    expect(cases).toHaveLength(one.rules.length + extra);
    expect(
      unsafe(text.replace(/<\/?[a-z][^<>]*>|<\?xml[^>]*>/g, '')).filter((problem) => !/mention/.test(problem)),
    ).toEqual([]);
    expect(workflowCommands(text)).toEqual([]);
    if (one.verdict === 'undetermined') expect(cases.some(({ result }) => result === 'error')).toBe(true);
    if (one.verdict === 'fail') expect(cases.some(({ result }) => result === 'failure')).toBe(true);
    for (const { id, status, count, waived, message } of one.rules) {
      if (status !== 'fail') continue;
      const lines = cases.find(({ name }) => name === id)?.lines.slice(message ? 1 : 0) ?? [];
      const number = (line: string, pattern: RegExp) => Number(pattern.exec(line)?.[1]?.replaceAll(',', '') ?? 0);
      const sum = (pattern: RegExp) => lines.reduce((total, line) => total + number(line, pattern), 0);
      const shown = lines.filter((line) => /^- (?!waived by)/.test(line)).length;
      expect(shown + sum(/^(?:and )?([\d,]+) (?:more|not shown)$/)).toBe(count);
      const hidden = lines.filter((line) => line.startsWith('- waived by')).length;
      expect(hidden + sum(/^(?:and )?([\d,]+) (?:more|findings?) waived$/)).toBe(waived);
    }
  }
});
