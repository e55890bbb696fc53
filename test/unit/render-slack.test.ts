import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Evaluation, RuleResult } from '../../lib/core/evaluation.ts';
import { renderSlack, renderSlackPlain, type SlackMessage, type SlackPayload } from '../../lib/core/render/slack.ts';
import { hostileEvaluation, hostileText } from '../fixtures/render/hostile.ts';
import { atMs, evaluation, failing, notice, notices, rule, vulnerability } from '../fixtures/render/samples.ts';
import { slackProblems } from '../fixtures/render/slack-limits.ts';

test.each(Object.keys(notices))('the whole message: %s', async (name) => {
  const told = notices[name];
  if (told === undefined) throw new Error(name);
  const { payload } = renderSlack(told);

  expect(slackProblems(payload)).toEqual([]);
  await expect(`${JSON.stringify(payload, null, 2)}\n`).toMatchFileSnapshot(`../fixtures/render/${name}.slack.json`);
});

test.each(Object.keys(notices))('the whole message as text alone: %s', async (name) => {
  const told = notices[name];
  if (told === undefined) throw new Error(name);
  const { payload } = renderSlackPlain(told, 'invalid_blocks');

  expect(payload.blocks).toBeUndefined();
  expect(slackProblems(payload)).toEqual([]);
  await expect(`${payload.text}\n`).toMatchFileSnapshot(`../fixtures/render/${name}.slack.txt`);
});

/** What the message itself says of each rule that has a section, and of all the others together. */
function told({ payload }: SlackMessage) {
  const texts =
    payload.blocks?.flatMap((b) => (b.type === 'section' ? [b.text.text] : [])) ?? payload.text.split('\n\n');
  const sections = texts
    .filter((text) => /^(🔴|🟠|🔵) \*/u.test(text))
    .map((text) => {
      const lines = text.split('\n');
      const more = lines.map((line) => /^(?:and )?([\d,]+) (?:more|not shown here)$/.exec(line)?.[1] ?? '0');
      return {
        rule: /`(.+?)`/.exec(text)?.[1],
        shown: lines.filter((line) => line.startsWith('• ')).length,
        counted: more.reduce((sum, n) => sum + number(n), 0),
      };
    });
  const others = texts.map((text) => /^\*[\d,]+ (?:more )?rules? broken, ([\d,]+) found\*/.exec(text)?.[1] ?? '0');
  return { sections, others: others.reduce((sum, n) => sum + number(n), 0) };
}

function number(text: string): number {
  return Number(text.replaceAll(',', ''));
}

function broken(evaluated: Evaluation): readonly RuleResult[] {
  return evaluated.rules.filter(({ status }) => ['fail', 'warn', 'observed'].includes(status));
}

function expectAllAccountedFor(message: SlackMessage, evaluated: Evaluation): void {
  const rules = broken(evaluated);
  const accounts = new Map(message.accounts.map((account) => [account.rule, account]));
  expect(message.accounts).toHaveLength(rules.length);
  for (const { id, count } of rules) {
    const account = accounts.get(id);
    expect(account?.total).toBe(count);
    expect((account?.shown ?? 0) + (account?.counted ?? 0)).toBe(count);
  }

  const { sections, others } = told(message);
  for (const { rule: id, shown, counted } of sections) expect(accounts.get(id ?? '')).toMatchObject({ shown, counted });
  const inSections = sections.reduce((sum, { shown, counted }) => sum + shown + counted, 0);
  expect(inSections + others).toBe(rules.reduce((sum, { count }) => sum + count, 0));
}

describe.each([
  { name: 'blocks', render: renderSlack },
  { name: 'text alone', render: renderSlackPlain },
])('$name', ({ render }) => {
  test('a bad night: all is accounted for', () => {
    expectAllAccountedFor(render(notice(failing)), failing);
  });

  test('a hundred thousand violations, and more kept than anyone reads', () => {
    const findings = Array.from({ length: 1_000 }, (_, i) => vulnerability(i));
    const many = evaluation({ rules: [rule('vulnerabilities', { id: 'all', findings, count: 100_000 })] });
    const message = render(notice(many));

    expect(slackProblems(message.payload)).toEqual([]);
    expectAllAccountedFor(message, many);
    expect(message.accounts).toEqual([{ rule: 'all', total: 100_000, shown: 5, counted: 99_995 }]);
  });

  test('five hundred rules: the worst have sections, the others a line, all their findings are counted', () => {
    const severities = ['low', 'medium', 'critical', 'high'] as const;
    const rules = Array.from({ length: 500 }, (_, i) =>
      rule('vulnerabilities', {
        id: `rule-${i}`,
        severity: severities[i % 4] ?? 'low',
        findings: [vulnerability(i)],
        count: i + 1,
      }),
    );
    const many = evaluation({ rules });
    const message = render(notice(many));

    expect(slackProblems(message.payload)).toEqual([]);
    expectAllAccountedFor(message, many);
    const { sections } = told(message);
    expect(sections.length).toBeGreaterThan(0);
    for (const { rule: id } of sections) expect(rules.find((r) => r.id === id)?.severity).toBe('critical');
    expect(
      message.payload.blocks?.map((b) => (b.type === 'section' ? b.text.text : '')).join('\n') ?? message.payload.text,
    ).toMatch(/^and \d+ more with [\d,]+ found$/m);
  });

  test('whatever the texts: valid, harmless, all accounted for', () => {
    fc.assert(
      fc.property(hostileEvaluation, (evaluated) => {
        const message = render(notice(evaluated));

        expect(slackProblems(message.payload)).toEqual([]);
        expectAllAccountedFor(message, evaluated);
      }),
      { numRuns: 60 },
    );
  });

  test('a reason and a note of any length are told, cut', () => {
    const message = 'long '.repeat(1_000);
    const reasons = Array.from({ length: 9 }, () => ({ kind: 'report-stale' as const, message, rules: ['a'] }));
    const { payload } = render(notice(evaluation({ reasons, notes: [{ message }] })));

    expect(JSON.stringify(payload)).toMatch(/`report-stale` long long .*…/);
    expect(JSON.stringify(payload)).toMatch(/Notes: long long .*…/);
    expect(slackProblems(payload)).toEqual([]);
  });

  test('a source that could not be looked at, whatever the texts', () => {
    fc.assert(
      fc.property(fc.array(hostileText, { maxLength: 40 }), hostileText, (messages, source) => {
        const reasons = messages.map((message) => ({ kind: 'source-unreachable' as const, message }));
        const { payload } = render({ id: 'n-1', source, atMs, about: 'source', reasons });

        expect(slackProblems(payload)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });
});

test('the worst comes first: what blocks, then by severity, then as the report ranks it', () => {
  const { sections } = told(renderSlack(notice(failing)));

  expect(sections.map((section) => section.rule)).toEqual([
    'no-high-vulnerabilities',
    'no-privileged-containers',
    'baseline',
    'failed-checks',
    'medium-budget',
    'listeners',
  ]);
});

test('what is only observed is counted, not listed', () => {
  const { accounts } = renderSlack(notice(failing));

  expect(accounts.find((account) => account.rule === 'listeners')).toMatchObject({ total: 5, shown: 0, counted: 5 });
});

test('the text beside the blocks is enough for a phone', () => {
  const { text } = renderSlack(notice(failing)).payload;

  expect(text).toContain('prod-eu fails production on no-high-vulnerabilities and 3 more');
  expect(text).toContain('no-high-vulnerabilities: 42 found, 0 allowed');
});

test('no long name crowds the verdict out of the header', () => {
  const long = evaluation({
    cluster: { id: '', name: 'c'.repeat(100_000), category: '' },
    policy: { name: 'p'.repeat(500), digest: '' },
    rules: [rule('ports', { id: 'r'.repeat(64), count: 1 })],
  });
  const header = renderSlack(notice(long)).payload.blocks?.[0];

  expect(header).toMatchObject({ type: 'header', text: { text: expect.stringMatching(/^🔴 c+… fails p+… on r+…$/u) } });
});

test('the checker of this suite finds what Slack would refuse', () => {
  const section = (text: string): SlackPayload => ({
    text: 'x',
    blocks: [{ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } }],
    unfurl_links: false,
    unfurl_media: false,
  });

  expect(slackProblems(section('fine'))).toEqual([]);
  for (const bad of [
    '',
    'x'.repeat(3_001),
    '<!channel>',
    'a & b',
    '@here',
    '`open',
    '*open',
    '~no~',
    'a\u202eb',
    '\ud83d',
  ]) {
    expect(slackProblems(section(bad)), bad.slice(0, 20)).not.toEqual([]);
  }
  const block = section('x').blocks?.[0];
  expect(slackProblems({ ...section('x'), blocks: block ? Array(51).fill(block) : [] })).not.toEqual([]);
  expect(slackProblems({ ...section('x'), blocks: [] })).not.toEqual([]);
});
