import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseImage, parseImagePattern } from '../../lib/core/images.ts';
import type { Finding } from '../../lib/core/report.ts';
import { evaluate } from '../support/evaluate.ts';

const hex = 'ab'.repeat(32);

describe('an image reference', () => {
  test.each([
    ['app', 'docker.io/library/app', undefined, undefined],
    ['app:1.2.3', 'docker.io/library/app', '1.2.3', undefined],
    ['team/app', 'docker.io/team/app', undefined, undefined],
    ['docker.io/app', 'docker.io/library/app', undefined, undefined],
    ['index.docker.io/library/app', 'docker.io/library/app', undefined, undefined],
    ['localhost/app:1', 'localhost/app', '1', undefined],
    ['localhost:5000/app', 'localhost:5000/app', undefined, undefined],
    ['registry.example.com:5000/team/app:1.2.3', 'registry.example.com:5000/team/app', '1.2.3', undefined],
    ['REGISTRY/app', 'REGISTRY/app', undefined, undefined],
    ['[fe80::1]:5000/app:x', '[fe80::1]:5000/app', 'x', undefined],
    [`app@sha256:${hex}`, 'docker.io/library/app', undefined, `sha256:${hex}`],
    [`quay.io/a/b_c__d--e.f:v1@sha256:${hex.toUpperCase()}`, 'quay.io/a/b_c__d--e.f', 'v1', `sha256:${hex}`],
    ['app:5000', 'docker.io/library/app', '5000', undefined],
  ])('%s', (text, name, tag, digest) => {
    expect(parseImage(text)).toEqual({ name, tag, digest });
  });

  test.each([
    '',
    'App',
    'app:',
    ':1',
    'app:-1',
    'app@sha256:12',
    'app:1:2',
    'https://quay.io/app',
    'a//b',
    '/app',
    'app/',
    'quay.io/Team/app',
    'app name',
    'app\n',
    'a..b/c/',
    'x'.repeat(300),
    `app:${'t'.repeat(129)}`,
  ])('is not: %s', (text) => {
    expect(parseImage(text)).toBeUndefined();
  });
});

describe('an image that is asked for', () => {
  test.each([
    ['app', 'app', '1', true],
    ['app', 'docker.io/library/app', '1', true],
    ['docker.io/library/app', 'app', '1', true],
    ['app:1', 'app', '1', true],
    ['app:1', 'app', '1.0', false],
    ['app:1', 'registry.example.com/app', '1', false],
    ['registry.example.com:5000/app:1', 'registry.example.com:5000/app', '1', true],
    ['registry.example.com:5000/app:1', 'registry.example.com/app', '1', false],
    [`app:1@sha256:${hex}`, 'app', '1', true],
    [`app@sha256:${hex}`, 'app', '1', false],
    [`app@sha256:${hex}`, 'app', `sha256:${hex}`, true],
    [`app@sha256:${hex}`, 'app', hex, true],
    ['team/*', 'team/app', '1', true],
    ['team/*', 'team/app/sub', '1', true],
    ['team/*', 'teams/app', '1', false],
    ['docker.io/team/*', 'team/app', '1', true],
    ['*/app:1.*', 'registry:5000/app', '1.2', true],
    ['*/app:1.*', 'registry:5000/app', '2.2', false],
    ['registry:5000/*', 'registry:5000/app', '7', true],
    ['*', 'anything at all', '', true],
    ['a*b*c', 'a-b-c', '', true],
    ['a*b*c', 'abc', '', true],
    ['a*bb*c', 'abc', '', false],
    ['ab*ba', 'aba', '', false],
    ['reg/app:*', 'reg/app', '9', true],
    ['reg/app:*', 'reg/apple', '9', false],
    ['reg/app:1.*', 'reg/app', '1.2', true],
    ['reg/app:1.*', 'reg/app-other', '1.2', false],
    ['app:*', 'docker.io/library/app', '9', true],
    ['docker.io/library/app:*', 'app', '9', true],
    ['app:*', 'team/app', '9', false],
    ['team/*:1.2', 'team/x', '1.2', true],
    ['team/*:1.2', 'team/x', '1.20', false],
    ['team/*:1.2', 'team/x', '11.2', false],
    ['*payments:1.0', 'team/payments', '1.0', true],
    ['*payments:1.0', 'team/payments', '1.0.1', false],
    ['*payments:1.0', 'team/payments-x', '1.0', false],
    ['registry:5000/*:1', 'registry:5000/app', '1', true],
    ['registry:5000/*:1', 'registry:5000/app', '12', false],
    ['registry:5000/app*', 'registry:5000/app', '12', true],
    ['*:latest', 'reg/app', 'latest', true],
    ['*:latest', 'reg/app', 'latest-2', false],
  ])('%s is %s %s: %s', (text, image, version, expected) => {
    expect(parseImagePattern(text).matches(image, version)).toBe(expected);
  });

  test.each(['', 'App', 'app name', 'team/* x', 'team/?*', 'team/*@sha256:1'])(
    'is refused where it is none: %j',
    (text) => {
      expect(() => parseImagePattern(text)).toThrow(/^image /);
    },
  );

  test('matches patterns as a regular expression would, its name and its tag each as a whole', () => {
    const some = fc.string({ unit: fc.constantFrom('A', 'B', '*'), maxLength: 6 });
    const tag = fc.option(some, { nil: undefined });
    const text = fc.string({ unit: fc.constantFrom('A', 'B'), maxLength: 8 });
    const regex = (pattern: string) => new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
    let matched = 0;
    fc.assert(
      fc.property(some, tag, text, text, (ofName, ofTag, name, version) => {
        const pattern = ofTag === undefined ? ofName : `${ofName}:${ofTag}`;
        fc.pre(pattern.includes('*'));
        const expected = regex(ofName).test(name) && (ofTag === undefined || regex(ofTag).test(version));
        expect(parseImagePattern(pattern).matches(name, version)).toBe(expected);
        if (expected) matched++;
      }),
      { numRuns: 3000 },
    );
    expect(matched).toBeGreaterThan(100);
  });

  test('takes no longer for a name that was made to take long', () => {
    const { matches } = parseImagePattern(`${'*a'.repeat(60)}*b`);
    expect(matches('a'.repeat(5000), '')).toBe(false);
  });
});

describe('an evaluation narrowed to images', () => {
  const vul = (image: string, version: string, n = 1): Finding => ({
    severity: 'High',
    image,
    image_version: version,
    vulnerability: `CVE-${n}`,
    package: 'p',
  });
  const findings = {
    vulnerabilities: [vul('app', '1'), vul('app', '2'), vul('app', '2', 2), vul('registry:5000/api', '7')],
    privileged_containers: [{ container: 'kube-proxy', status: 'running', pod: 'p', host: 'h' }],
  };
  const judge = (images: readonly string[], more = '') =>
    evaluate(`rules:\n  - {id: high, on: vulnerabilities, max: 0}\n${more}`, {
      findings,
      options: { images: images.map(parseImagePattern) },
    });

  test('counts their findings alone, and goes on with rules that are not about images', () => {
    expect(judge(['app:2']).rules[0]).toMatchObject({ count: 2, omitted: 0 });
    expect(judge(['app', 'registry:5000/*']).rules[0]).toMatchObject({ count: 4 });
    const both = judge(['app:1'], '  - {id: privileged, on: privileged_containers, max: 0}\n');
    expect(both.rules.map(({ count }) => count)).toEqual([1, 1]);
  });

  test('does not pass for one that the report does not know, and says what it knows', () => {
    const evaluation = evaluate('rules:\n  - {id: high, on: vulnerabilities, max: 9}\n', {
      findings,
      options: { images: [parseImagePattern('app:3')] },
    });
    expect(evaluation).toMatchObject({
      verdict: 'undetermined',
      rules: [{ status: 'undetermined' }],
      reasons: [{ kind: 'image-absent', rules: ['high'] }],
    });
    expect(evaluation.reasons[0]?.message).toMatch(
      /^image app:3: the report does not know it; did you mean app:[12]\?/,
    );
  });

  test('takes no count beside the list for a proof, since it is about all images', () => {
    const evaluation = evaluate('rules:\n  - {id: high, on: vulnerabilities, max: 1}\n', {
      findings: { vulnerabilities: [vul('app', '1')] },
      lists: { vulnerabilities: { reported: 9 } },
      options: { images: [parseImagePattern('app')] },
    });
    expect(evaluation).toMatchObject({ verdict: 'undetermined', rules: [{ count: 1 }] });
  });

  test.each([undefined, ''])('is undetermined where a row does not say of which version it is: %j', (version) => {
    const row = { ...vul('app', '1'), severity: 'Critical', image_version: version };
    const judged = (image: string) =>
      evaluate('rules:\n  - {id: r, on: vulnerabilities, min_severity: High, max: 1}\n', {
        findings: { vulnerabilities: [vul('app', '1'), row] },
        options: { images: [parseImagePattern(image)] },
      });
    expect(judged('app:1')).toMatchObject({ verdict: 'undetermined', reasons: [{ kind: 'rule-unevaluable' }] });
    expect(judged('ap*:1')).toMatchObject({ verdict: 'undetermined' });
    // All versions are meant.
    expect(judged('app')).toMatchObject({ verdict: 'fail', rules: [{ count: 2 }] });
  });

  test('is undetermined where a row does not say of which image it is', () => {
    const evaluation = evaluate('rules:\n  - {id: high, on: vulnerabilities, max: 1}\n', {
      findings: { vulnerabilities: [vul('app', '1'), { severity: 'High', vulnerability: 'CVE-1' }] },
      options: { images: [parseImagePattern('app')] },
    });
    expect(evaluation.reasons.map(({ kind }) => kind)).toEqual(['rule-unevaluable']);
  });
});
