import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { renderGitlabCodequality } from '../../lib/core/render/gitlab-codequality.ts';
import { renderSarif } from '../../lib/core/render/sarif.ts';
import { hostileResult } from '../fixtures/formats/hostile.ts';
import { doubted, failing, passing, policyFile, reported, strict, undetermined } from '../fixtures/formats/samples.ts';
import { evaluation, kept, rule, vulnerability } from '../fixtures/render/samples.ts';
import { unsafe } from '../fixtures/render/slack-limits.ts';
import { sarifProblems } from '../support/validators.ts';
import { workflowCommands } from '../support/workflow-commands.ts';

function logOf(told: Evaluation, file: string | undefined = policyFile) {
  return JSON.parse(renderSarif(told, { policyFile: file }));
}

interface Result {
  readonly ruleId: string;
  readonly ruleIndex: number;
  readonly level: string;
  readonly message: { readonly text: string };
  readonly locations: readonly {
    readonly physicalLocation: {
      readonly artifactLocation: { readonly uri: string; readonly uriBaseId?: string };
      readonly region: { readonly startLine: number };
    };
    readonly logicalLocations: readonly { readonly kind: string; readonly fullyQualifiedName: string }[];
  }[];
  readonly partialFingerprints: Readonly<Record<string, string>>;
  readonly suppressions?: readonly { readonly justification: string }[];
  readonly properties?: { readonly findings: number };
}

function runOf(told: Evaluation, file?: string) {
  const [run] = logOf(told, file).runs;
  const results: readonly Result[] = run.results;
  return { run, results, open: results.filter(({ suppressions }) => suppressions === undefined) };
}

const undeterminedRule = 'portcullis:undetermined';

/** What GitHub refuses, or drops without a word. */
function githubProblems(text: string): readonly string[] {
  const { runs } = JSON.parse(text);
  const [{ results, tool, automationDetails }] = runs;
  const problems: string[] = [];
  const expectThat = (holds: boolean, problem: string) => {
    if (!holds) problems.push(problem);
  };
  expectThat(gzipSync(text).length <= 10_000_000, 'a file of more than 10 MB');
  expectThat(results.length <= 5_000, 'more results than are kept');
  expectThat(tool.driver.rules.length <= 25_000, 'too many rules');
  expectThat(/^portcullis\/[^/]+\/[^/]+\/$/.test(automationDetails.id), 'no category');
  for (const { properties, shortDescription, fullDescription, id } of tool.driver.rules) {
    expectThat(properties.tags.length <= 10, `${id}: tags`);
    expectThat(shortDescription.text.length <= 1_024 && fullDescription.text.length <= 1_024, `${id}: description`);
    expectThat(Number(properties['security-severity']) > 0, `${id}: severity`);
  }
  for (const { ruleId, ruleIndex, locations, partialFingerprints, message } of results as readonly Result[]) {
    expectThat(tool.driver.rules[ruleIndex]?.id === ruleId, `${ruleId}: no such rule`);
    expectThat(locations.length === 1 && (locations[0]?.physicalLocation.region.startLine ?? 0) > 0, 'no location');
    expectThat(/^[0-9a-f]{32}:\d+$/.test(partialFingerprints.primaryLocationLineHash ?? ''), 'no fingerprint');
    expectThat(message.text.trim() !== '', 'no message');
  }
  return problems;
}

test('a result stands at the line of its rule, says where in the cluster, and stays the same tomorrow', () => {
  const { results, run } = runOf(failing);

  expect(results[0]).toEqual({
    ruleId: 'no-high-vulnerabilities',
    ruleIndex: 0,
    level: 'error',
    message: {
      text: 'Critical CVE-2026-1001 in openssl 1.1.1k, image registry/shop/checkout:1.1.0. Fix: Upgrade openssl to 1.1.1w or later.',
    },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: policyFile, uriBaseId: '%SRCROOT%' },
          region: { startLine: 5 },
        },
        logicalLocations: [
          { name: 'prod-eu', fullyQualifiedName: 'prod-eu', kind: 'cluster' },
          {
            name: 'registry/shop/checkout:1.1.0',
            fullyQualifiedName: 'prod-eu/registry/shop/checkout:1.1.0',
            kind: 'image',
          },
          { name: 'openssl:1.1.1k', fullyQualifiedName: 'prod-eu/openssl:1.1.1k', kind: 'package' },
        ],
      },
    ],
    partialFingerprints: {
      'portcullis/v1': '00000000000000000000000000000001',
      primaryLocationLineHash: '00000000000000000000000000000001:1',
    },
  });
  expect(run.automationDetails.id).toBe('portcullis/production/27716f31-6331-11ef-a02c-0255ac101958/');
  // An upload replaces another one only where it is about the same images.
  const ids = [['a'], ['a', 'b']].map(
    (images) => JSON.parse(renderSarif({ ...failing, images }, { policyFile })).runs[0].automationDetails.id,
  );
  for (const id of ids) expect(id).toMatch(/0255ac101958\/images-[0-9a-f]{12}\/$/);
  expect(ids[0]).not.toBe(ids[1]);
});

test('levels tell what a broken rule means for the verdict, and what is not listed has a result of its rule', () => {
  const levels = (told: Evaluation) => new Set(runOf(told).open.map(({ ruleId, level }) => `${ruleId} ${level}`));
  const counted = runOf(failing).results.filter(({ properties }) => properties !== undefined);

  expect([...levels(failing)]).toEqual([
    'no-high-vulnerabilities error',
    'no-privileged-containers error',
    'baseline error',
    'failed-checks error',
    'medium-budget warning',
    'listeners note',
  ]);
  expect([...levels(strict)]).toEqual(['listeners error']);
  expect(counted.map(({ ruleId, properties }) => `${ruleId} ${properties?.findings}`)).toEqual([
    'no-high-vulnerabilities 32',
    'failed-checks 4',
    'medium-budget 111',
    'listeners 4',
  ]);
  expect(runOf(reported).results).toMatchObject([
    { ruleId: 'no-privileged', level: 'error', properties: { findings: 4 } },
  ]);
});

test('waived findings are suppressed, at the line of their waiver, and apart from those that count', () => {
  const { results, open, run } = runOf(failing);
  const waived = results.filter(({ suppressions }) => suppressions !== undefined);

  expect(waived.map(({ level, locations }) => `${level} ${locations[0]?.physicalLocation.region.startLine}`)).toEqual([
    'note 52',
    'note 52',
    'note 58',
  ]);
  expect(waived[0]?.suppressions).toEqual([
    {
      kind: 'external',
      status: 'accepted',
      justification: 'Waived by W-12 until 2027-01-23 05:33 UTC; team-payments: not reachable, see ticket (SEC-812)',
    },
  ]);
  expect(results.slice(open.length)).toEqual(waived);
  expect(run.properties).toMatchObject({ waived: 4, leftOut: { findings: 0, waived: 1 } });
});

test.each([
  { told: failing, ok: true, ids: ['left-out', 'note'] },
  { told: passing, ok: true, ids: ['left-out'] },
  { told: undetermined, ok: false, ids: ['report-stale', 'count-mismatch'] },
  { told: doubted, ok: false, ids: ['source-unreachable', 'left-out'] },
])('a run that could not judge was not successful: $told.verdict', ({ told, ok, ids }) => {
  const { run, open } = runOf(told);
  const [invocation] = run.invocations;
  const found = invocation.toolExecutionNotifications.map(
    ({ descriptor }: { descriptor: { id: string } }) => descriptor.id,
  );

  expect({ ok: invocation.executionSuccessful, ids: found }).toEqual({ ok, ids });
  expect(open.some(({ ruleId, level }) => ruleId === undeterminedRule && level === 'error')).toBe(!ok);
});

test('two containers of one workload are two results', () => {
  const container = (pod: string) => kept(1, { container: 'agent', pod });
  const { results } = runOf(
    evaluation({ rules: [rule('privileged_containers', { findings: [container('a'), container('b')] })] }),
  );

  expect(results.map(({ partialFingerprints }) => partialFingerprints.primaryLocationLineHash?.slice(-3))).toEqual([
    '1:1',
    '1:2',
  ]);
});

test.each([
  { file: './policies/a b.yaml', uri: 'policies/a%20b.yaml', base: '%SRCROOT%' },
  { file: 'policies\\a:b#c?.yaml', uri: 'policies/a%3Ab%23c%3F.yaml', base: '%SRCROOT%' },
  { file: '/etc/policy.yaml', uri: 'file:///etc/policy.yaml' },
  { file: 'C:\\portcullis\\p.yaml', uri: 'file:///C:/portcullis/p.yaml' },
  { file: '', uri: 'policy.yaml', base: '%SRCROOT%' },
])('the path of the policy as a URI: $file', ({ file, uri, base }) => {
  const location = runOf(strict, file).results[0]?.locations[0]?.physicalLocation.artifactLocation;

  expect(location).toEqual({ uri, ...(base && { uriBaseId: base }) });
});

test('where the policy is not at hand findings are at the file of the pipeline, which is there', () => {
  const options = { pipelineFile: '.github/workflows/deploy.yml' };
  const [run] = JSON.parse(renderSarif(failing, options)).runs;
  const places = (run.results as readonly Result[]).map(({ locations, suppressions }) => {
    const { artifactLocation, region } = locations[0]?.physicalLocation ?? {};
    return [artifactLocation?.uri, suppressions === undefined ? 'open' : 'waived', region?.startLine].join(' ');
  });
  // Tools that close what is suppressed go by rule and line.
  expect([...new Set(places)].sort()).toEqual([
    '.github/workflows/deploy.yml open 1',
    '.github/workflows/deploy.yml waived 2',
  ]);
  expect(run.tool.driver.rules[0].help.text).not.toContain('deploy.yml');
  const issues = JSON.parse(renderGitlabCodequality(failing, { pipelineFile: 'ci/gate.yml' }));
  const lines = issues.map(
    ({ location }: { location: { path: string; lines: { begin: number } } }) =>
      `${location.path} ${location.lines.begin}`,
  );
  expect([...new Set(lines)].sort()).toEqual(['ci/gate.yml 1', 'ci/gate.yml 2']);
});

test('more than GitHub keeps is left out, the least urgent first, and counted', () => {
  const noise = (i: number) => vulnerability(i, { description: randomBytes(1_500).toString('base64'), solution: '' });
  const rules = Array.from({ length: 90 }, (_, i) =>
    rule('vulnerabilities', {
      id: `r${i}`,
      findings: Array.from({ length: 100 }, (_, n) => noise(n)),
      count: 150,
      severity: i === 70 ? 'critical' : 'low',
    }),
  );
  const told = evaluation({ rules });
  const text = renderSarif(told, { policyFile });
  const { run, results } = runOf(told);

  expect(githubProblems(text)).toEqual([]);
  expect(results[0]?.ruleId).toBe('r70');
  expect(results.length).toBeGreaterThan(2_000);
  expect(new Set(results.map(({ ruleId }) => ruleId)).size).toBe(90);
  const shown = results.reduce((sum, { properties }) => sum + (properties?.findings ?? 1), 0);
  expect(shown + run.properties.leftOut.findings).toBe(90 * 150);
  expect(run.properties.leftOut.results).toBe(90 * 101 - results.length);
  expect(JSON.stringify(run.invocations)).toContain('findings of broken rules not listed');
});

test('whatever the texts: as the schema and GitHub ask, and all is listed or counted', () => {
  fc.assert(
    fc.property(hostileResult, ({ told, policyFile }) => {
      const text = renderSarif(told, { policyFile });
      const { run, open, results } = runOf(told, policyFile);

      expect(sarifProblems(JSON.parse(text))).toEqual([]);
      expect(githubProblems(text)).toEqual([]);
      expect(unsafe(text).filter((problem) => !/bracket|mention/.test(problem))).toEqual([]);
      expect(workflowCommands(text)).toEqual([]);
      expect(text).not.toMatch(/\]\(/);

      const findings = open.filter(({ ruleId }) => ruleId !== undeterminedRule);
      const shown = findings.reduce((sum, { properties }) => sum + (properties?.findings ?? 1), 0);
      const broken = told.rules.filter(({ status }) => status === 'fail' || status === 'warn' || status === 'observed');
      expect(shown + run.properties.leftOut.findings).toBe(broken.reduce((sum, { count }) => sum + count, 0));
      const waived = told.rules.reduce((sum, one) => sum + one.waived, 0);
      expect(results.length - open.length + run.properties.leftOut.waived).toBe(waived);
      for (const { id } of broken) expect(findings.some(({ ruleId }) => ruleId === id)).toBe(true);
    }),
    { numRuns: 25 },
  );
});

test('what was let through ended with exit code 0', () => {
  const [run] = logOf({ ...undetermined, isLetThrough: true as const }).runs;
  expect(run.invocations[0]).toMatchObject({ exitCode: 0, executionSuccessful: false });
});
