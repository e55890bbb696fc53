import fc from 'fast-check';
import { expect, test } from 'vitest';
import * as z from 'zod/mini';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { renderGitlabCodequality } from '../../lib/core/render/gitlab-codequality.ts';
import { renderGitlabContainer } from '../../lib/core/render/gitlab-container.ts';
import { hostileResult } from '../fixtures/formats/hostile.ts';
import { doubted, failing, passing, policyFile, reported, strict, undetermined } from '../fixtures/formats/samples.ts';
import { evaluation, kept, rule, vulnerability } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';
import { gitlabContainerProblems, gitlabIssueProblems } from '../support/validators.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

/** As GitLab documents it, stricter than its schema. */
const Issue = z.strictObject({
  description: z.string().check(z.minLength(1)),
  check_name: z.string().check(z.minLength(1)),
  fingerprint: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
  severity: z.enum(['info', 'minor', 'major', 'critical', 'blocker']),
  location: z.strictObject({
    path: z.string().check(z.regex(/^(?!\.\/)./s)),
    lines: z.strictObject({ begin: z.int().check(z.minimum(1)) }),
  }),
});

function issuesOf(told: Evaluation, file: string | undefined = policyFile) {
  return z.array(Issue).parse(JSON.parse(renderGitlabCodequality(told, { policyFile: file })));
}

function scanOf(told: Evaluation) {
  const report = JSON.parse(renderGitlabContainer(told));
  expect(gitlabContainerProblems(report)).toEqual([]);
  const messages: readonly { level: string; value: string }[] = report.scan.messages;
  return { ...report, messages, values: messages.map(({ value }) => value) };
}

const severitiesOf = (told: Evaluation) => {
  const counts: Record<string, number> = {};
  for (const { severity } of issuesOf(told)) counts[severity] = (counts[severity] ?? 0) + 1;
  return counts;
};

test.each([
  { why: 'fails', told: failing, is: { blocker: 12, critical: 3, minor: 2, info: 6 } },
  { why: 'passes, with a waived finding', told: passing, is: { info: 1 } },
  { why: 'cannot be judged', told: undetermined, is: { blocker: 2 } },
  { why: 'is doubted', told: doubted, is: { blocker: 1, info: 1 } },
  { why: 'fails by a warning', told: strict, is: { critical: 1 } },
  { why: 'fails by the count of the report', told: reported, is: { critical: 1 } },
])('severities of the issues: $why', ({ told, is }) => {
  expect(severitiesOf(told)).toEqual(is);
});

test('an issue is a finding at its rule, the rest one issue of the rule', () => {
  const [rest, first] = issuesOf(failing);

  expect(rest?.description).toBe('no-high-vulnerabilities: 32 more findings: 42 found, 0 allowed');
  expect(first).toMatchObject({
    check_name: 'no-high-vulnerabilities',
    fingerprint: '00000000000000000000000000000001',
    location: { path: policyFile, lines: { begin: 5 } },
  });
  expect(issuesOf(reported)[0]?.description).toBe(
    'no-privileged: 4 reported, 0 allowed: the report counts them, its list does not show them',
  );
});

test('a waived finding is an issue of its own, at the waiver', () => {
  const waived = issuesOf(failing).filter(({ description }) => description.includes('(waived by W-12'));

  expect(waived.map(({ severity, location }) => `${severity} ${location.lines.begin}`)).toEqual(['info 52', 'info 52']);
  expect(issuesOf(failing).map(({ description }) => description)).toContain(
    'no-high-vulnerabilities: 1 more finding waived',
  );
});

test('GitLab keeps one issue of a fingerprint, so findings of one are one issue, with how many', () => {
  const findings = ['a', 'b'].map((pod) => kept(1, { container: 'agent', pod }));
  const issues = issuesOf(evaluation({ rules: [rule('privileged_containers', { findings })] }));

  expect(issues.map(({ description }) => description)).toEqual([expect.stringMatching(/pod a \(2 times\)$/)]);
  const fingerprints = issuesOf(failing).map(({ fingerprint }) => fingerprint);
  expect(new Set(fingerprints).size).toBe(fingerprints.length);
});

test('reasons of one kind are different issues, the same tomorrow', () => {
  const aged = (hours: number): Evaluation => ({
    ...undetermined,
    reasons: [...undetermined.reasons, ...undetermined.reasons].map((one) => ({ ...one, message: `${hours}h old` })),
  });
  const fingerprints = issuesOf(aged(1)).map(({ fingerprint }) => fingerprint);

  expect(new Set(fingerprints).size).toBe(4);
  expect(issuesOf(aged(2)).map(({ fingerprint }) => fingerprint)).toEqual(fingerprints);
});

test('a container scan holds each vulnerability once, and its messages count all else', () => {
  const shared = vulnerability(1);
  const { vulnerabilities, values } = scanOf(
    evaluation({
      rules: [
        rule('vulnerabilities', { id: 'a', findings: [shared, vulnerability(2)], count: 7, waived: 2 }),
        rule('vulnerabilities', { id: 'b', findings: [{ ...shared, fingerprint: 'b'.repeat(32) }] }),
        rule('ports', { id: 'c', findings: [kept(1, { port: 22 })], count: 3 }),
        rule('packages', { id: 'd', waived: 1 }),
      ],
    }),
  );

  expect(
    vulnerabilities.map(({ id, description }: { id: string; description: string }) => [id.slice(-1), description]),
  ).toEqual([
    ['1', 'A crafted certificate crashes the server.\n\nBreaks a, b.'],
    ['2', 'A crafted certificate crashes the server.\n\nBreaks a.'],
  ]);
  expect(values.slice(1)).toEqual([
    'rule a (fail): 7 found, 0 allowed; 2 listed, 5 not',
    'rule a: 2 waived',
    'rule b (fail): 1 found, 0 allowed; 1 listed, 0 not',
    'rule c (fail): 3 found, 0 allowed; none listed: they are ports',
    'rule d: 1 waived',
  ]);
});

test.each([
  { told: failing, status: 'success', level: 'warn' },
  { told: passing, status: 'success', level: 'info' },
  { told: undetermined, status: 'failure', level: 'fatal' },
  { told: doubted, status: 'failure', level: 'fatal' },
  { told: reported, status: 'success', level: 'warn' },
])('the status of a container scan: $told.verdict', ({ told, status, level }) => {
  const { scan, messages } = scanOf(told);

  expect(scan.status).toBe(status);
  expect(messages[0]?.level).toBe(level);
  expect(messages[0]?.value).toContain(`prod-eu: ${told.verdict}: `);
});

test('times that are none, or far away, do not make the scan invalid', () => {
  const odd = { ...failing, evaluatedAtMs: 9e14, report: { ...failing.report, scannedAtMs: undefined } };

  expect(scanOf(odd).scan).toMatchObject({ start_time: '1970-01-01T00:00:00', end_time: '1970-01-01T00:00:00' });
  expect(scanOf({ ...odd, evaluatedAtMs: failing.evaluatedAtMs }).scan.start_time).toBe('2026-11-24T05:33:10');
});

test('whatever the texts: both are as GitLab asks, and all is listed or counted', () => {
  fc.assert(
    fc.property(hostileResult, ({ told, policyFile }) => {
      const quality = renderGitlabCodequality(told, { policyFile });
      const container = renderGitlabContainer(told);
      for (const text of [quality, container]) {
        expect(unsafe(text).filter((problem) => !/bracket|mention/.test(problem))).toEqual([]);
        expect(workflowCommands(text)).toEqual([]);
      }

      const issues = issuesOf(told, policyFile);
      for (const issue of issues) expect(gitlabIssueProblems(issue)).toEqual([]);
      expect(new Set(issues.map(({ fingerprint }) => fingerprint)).size).toBe(issues.length);
      expect(issues.some(({ check_name }) => check_name === 'portcullis:undetermined')).toBe(
        told.verdict === 'undetermined' || told.reasons.length > 0,
      );
      const { vulnerabilities, values } = scanOf(told);
      const listed = new Set(vulnerabilities.map(({ id }: { id: string }) => id));
      for (const one of told.rules) {
        const own = issues.filter(({ check_name }) => check_name === one.id);
        const waived = /: (?:([\d,]+) more findings? waived|([\d,]+) findings? waived)$/;
        const numbers = own.map(({ description }) =>
          Number(/: ([\d,]+) (?:more findings?|found|reported)[,:]/.exec(description)?.[1]?.replaceAll(',', '')),
        );
        const fingerprints = new Set(own.map(({ fingerprint }) => fingerprint));
        if (!['fail', 'warn', 'observed'].includes(one.status)) continue;
        expect(own.length).toBeGreaterThan(0);
        expect(
          own.some(({ description }) => waived.test(description)) || one.waived === one.waivedFindings.length,
        ).toBe(true);
        for (const { fingerprint } of one.findings) expect(fingerprints.has(fingerprint)).toBe(true);
        if (one.omitted > 0) expect(numbers).toContain(one.omitted);
        const message = values.find((value: string) => value.startsWith(`rule ${one.id} (`));
        expect(message).toContain(one.on === 'vulnerabilities' ? `; ${one.findings.length} listed, ` : 'none listed');
      }
      expect(listed.size).toBe(vulnerabilities.length);
    }),
    { numRuns: 25 },
  );
});
