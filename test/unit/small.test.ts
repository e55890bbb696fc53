import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { pipelinePath } from '../../lib/cli/repository-path.ts';
import { formatDuration, parseDuration } from '../../lib/core/duration.ts';
import { workload } from '../../lib/core/fingerprint.ts';
import { matchesGlob } from '../../lib/core/glob.ts';
import { maskCommand } from '../../lib/core/mask.ts';
import { Secret } from '../../lib/core/secret.ts';
import { findingSeverity } from '../../lib/core/severity.ts';
import { suggest } from '../../lib/core/suggest.ts';

test.each([
  ['26h', 93_600_000],
  ['1d12h', 129_600_000],
  ['90m', 5_400_000],
  ['30s', 30_000],
  ['', undefined],
  ['0h', undefined],
  ['26', undefined],
  ['12h1d', undefined],
  ['1.5h', undefined],
  ['-1h', undefined],
  ['9999999h', undefined],
])('the duration %j is %j ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  [0, '0s'],
  [999, '0s'],
  [45_000, '45s'],
  [3_660_000, '1h 1m'],
  [93_600_000, '26h'],
  [176_400_000, '2d 1h'],
  [50_439_600_000, '583d 19h'],
])('%j ms reads %j', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test.each([
  ['mysql -phunter2 --user=app db', 'mysql -p*** --user=*** ***'],
  ['/usr/bin/java -jar /opt/app.jar --spring.password hunter2', '/usr/bin/java -j*** *** --spring.password ***'],
  ['PASSWORD=hunter2 run', '***'],
  ['https://user:hunter2@host/x', '***'],
  ['curl -H Authorization:hunter2 -u a:hunter2', 'curl -H *** -u ***'],
  ['sh -c "mysql -phunter2"', 'sh -c ***  -p***'.replace('  ', ' ')],
  ['', ''],
  ['nginx', 'nginx'],
  ['run --hunter2=x=y --', 'run --hunter2=*** ***'],
])('of the command %j only %j is shown', (command, shown) => {
  expect(maskCommand(command)).toBe(shown);
});

test.each([
  ['checkout-7d9c6b5f4d-x2k8p', 'checkout'],
  ['node-exporter-x2k8p', 'node-exporter'],
  ['postgres-0', 'postgres-0'],
  ['postgres-29385941', 'postgres-29385941'],
  ['agent-29385941-x2k8p', 'agent'],
  ['agent-1763942400-x2k8p', 'agent'],
  ['agent-2024-x2k8p', 'agent-2024'],
  ['web-7d9c6b5f4d-29385941-x2k8p', 'web-7d9c6b5f4d'],
  ['web', 'web'],
  [undefined, undefined],
])('the pod %j belongs to %j', (pod, name) => {
  expect(workload(pod)).toBe(name);
});

test.each([
  ['prod-*', 'prod-eu', true],
  ['prod-*', 'preprod-eu', false],
  ['*-sandbox', 'a-sandbox', true],
  ['prod-?', 'prod-12', false],
  ['a.b', 'axb', false],
  ['a[b]', 'a[b]', true],
  ['*', 'x\ny', true],
  ['ü*', 'über', true],
])('the pattern %j and the name %j: %j', (pattern, name, matches) => {
  expect(matchesGlob(pattern, name)).toBe(matches);
});

test.each([
  ['HIGH', 'High'],
  [' low ', 'Low'],
  ['critical', 'Critical'],
  ['Severe', 'Unknown'],
  ['', 'Unknown'],
  [undefined, 'Unknown'],
])('the severity %j is %s', (text, severity) => {
  expect(findingSeverity(text)).toBe(severity);
});

test.each([
  ['min_severty', 'min_severity'],
  ['Max', 'max'],
  ['zzz', undefined],
])('%j most likely means %j', (word, known) => {
  expect(suggest(word, ['max', 'min_severity', 'where'])).toBe(known);
});

describe('a secret', () => {
  const secret = new Secret('hunter2');
  test.each([
    ['in a template', `${secret}`],
    ['in JSON', JSON.stringify({ secret })],
    ['when inspected', inspect({ secret }, { showHidden: true, depth: 9 })],
    ['joined to a string', `a${[secret].join()}`],
  ])('%s shows nothing of itself', (_, text) => {
    expect(text).toContain('<secret>');
    expect(text).not.toContain('hunter2');
  });

  test('gives its text to whoever asks for it by name', () => {
    expect(secret.reveal()).toBe('hunter2');
  });
});

test.each([
  [
    { GITHUB_WORKFLOW_REF: 'acme/shop/.github/workflows/deploy.yml@refs/heads/main', GITHUB_REPOSITORY: 'acme/shop' },
    '.github/workflows/deploy.yml',
  ],
  [{ GITHUB_WORKFLOW_REF: 'acme/shared/.github/workflows/deploy.yml@v1', GITHUB_REPOSITORY: 'acme/shop' }, undefined],
  [{ CI_CONFIG_PATH: '.gitlab-ci.yml' }, '.gitlab-ci.yml'],
  [{ CI_CONFIG_PATH: 'https://example.com/ci.yml' }, undefined],
  [{ CI_CONFIG_PATH: 'ci.yml@acme/other' }, undefined],
  [{}, undefined],
])('the file of the pipeline by %j is %s', (env, path) => {
  expect(pipelinePath(env)).toBe(path);
});
