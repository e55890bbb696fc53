import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { preparePatterns } from '../../lib/core/pattern.ts';
import { parsePolicy } from '../../lib/core/policy/parse.ts';
import { formatIssue } from '../../lib/core/yaml.ts';

await preparePatterns('matches()');

const issuesOf = (text: string) => parsePolicy(text, 'p.yaml').issues.map(formatIssue);
const rule = (text: string) => `version: 1\nname: p\nrules:\n  - ${text}\n`;

test('the policy that ships is valid', () => {
  const file = 'policies/production.yaml';
  const { policy } = parsePolicy(readFileSync(file, 'utf8'), file);
  expect(policy).toMatchObject({ name: 'production', maxReportAgeMs: 26 * 3_600_000, reconcile: 'strict' });
  expect(policy?.rules.map(({ id, severity, enforce, line }) => [id, severity, enforce, line])).toEqual([
    ['no-high-vulnerabilities', 'critical', 'block', 5],
    ['no-privileged-containers', 'high', 'block', 10],
    ['medium-budget', 'high', 'warn', 14],
  ]);
});

test('a policy has the digest of its text', () => {
  const digest = (text: string) => parsePolicy(text, 'p').policy?.digest;
  const text = rule('{id: a, on: ports, max: 0}');
  expect(digest(text)).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(digest(text)).not.toBe(digest(`${text} # changed`));
});

test('every issue is told at once, by line, with what it means to say', () => {
  const text = readFileSync('test/fixtures/policy-with-errors.yaml', 'utf8');
  expect(`${issuesOf(text).join('\n')}\n`).toBe(readFileSync('test/fixtures/policy-with-errors.txt', 'utf8'));
});

describe('an invalid policy says what, where and what to do:', () => {
  test.each([
    { why: 'empty', text: '', says: 'p.yaml:1:1: the file: has to be a map, not empty' },
    { why: 'a list', text: '- a', says: 'p.yaml:1:1: the file: has to be a map, not a list\n  1 | - a\n    | ^' },
    { why: 'no rule', text: 'version: 1\nname: p\nrules: []', says: 'p.yaml:3:8: rules: a policy needs a rule' },
    {
      why: 'another version',
      text: 'version: 2\nname: p\nrules: [{id: a, on: ports, max: 0}]',
      says: 'p.yaml:1:10: version: 2 is not a value it can have; has to be 1',
    },
    { why: 'not YAML', text: 'a: [1\nb: 2', says: 'p.yaml:2:1: YAML: ' },
    { why: 'a key twice', text: 'version: 1\nversion: 1', says: 'p.yaml:2:1: YAML: Map keys must be unique' },
    {
      why: 'two documents',
      text: 'version: 1\n---\nversion: 1',
      says: 'p.yaml:2:1: YAML: there is more than one document',
    },
    {
      why: 'a bomb of aliases',
      text: `a: &a [1]\n${[...'bcdefghij'].map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghi'[i]}`)}]`).join('\n')}`,
      says: 'p.yaml:1:1: YAML: Excessive alias count',
    },
    {
      why: 'no threshold',
      text: rule('{id: a, on: ports}'),
      says: 'p.yaml:4:5: rules[0].max: is required, and missing',
    },
    {
      why: 'a threshold that is none',
      text: rule('{id: a, on: ports, max: "0"}'),
      says: 'p.yaml:4:29: rules[0].max: has to be a whole number, not a string ("0")',
    },
    {
      why: 'a list that is not',
      text: rule('{id: a, on: vulnerabilites, max: 0}'),
      says: 'rules[0].on: "vulnerabilites" is not a value it can have; did you mean vulnerabilities?',
    },
    {
      why: 'a severity that is not',
      text: rule('{id: a, on: vulnerabilities, min_severity: high, max: 0}'),
      says: 'rules[0].min_severity: "high" is not a value it can have; did you mean High?',
    },
    {
      why: 'a severity where none is',
      text: rule('{id: a, on: ports, min_severity: High, max: 0}'),
      says: 'rules[0].min_severity: ports have no severity; use where',
    },
    {
      why: 'a group by what is not',
      text: rule('{id: a, on: ports, max: 0, per: [prot]}'),
      says: 'rules[0].per: unknown field prot; did you mean port?',
    },
    {
      why: 'a cluster rule without where',
      text: rule('{id: a, on: cluster, max: 0}'),
      says: 'rules[0]: a rule on cluster needs a where',
    },
    {
      why: 'a cluster rule with groups',
      text: rule("{id: a, on: cluster, where: 'pods > 1', max: 0, per: [name]}"),
      says: 'rules[0].per: a report is about one cluster',
    },
    {
      why: 'an age that is none',
      text: `${rule('{id: a, on: ports, max: 0}')}max_report_age: 26`,
      says: 'max_report_age: has to be a duration such as 26h, 7d or 1d12h, not a number (26)',
    },
    {
      why: 'a waiver of nothing',
      text: `${rule('{id: a, on: ports, max: 0}')}waivers:\n  - {id: W, rule: b, reason: x, owner: y, expires: 2027-01-31}`,
      says: 'waivers[0].rule: there is no rule b; did you mean a?',
    },
    {
      why: 'a waiver for ever',
      text: `${rule('{id: a, on: ports, max: 0}')}waivers:\n  - {id: W, rule: a, reason: x, owner: y}`,
      says: 'waivers[0].expires: is required, and missing',
    },
    {
      why: 'a day that is not',
      text: `${rule('{id: a, on: ports, max: 0}')}waivers:\n  - {id: W, rule: a, reason: x, owner: y, expires: 2027-02-30}`,
      says: 'waivers[0].expires: has to be a date',
    },
    {
      why: 'a waiver without a reason',
      text: `${rule('{id: a, on: ports, max: 0}')}waivers:\n  - {id: W, rule: a, reason: " ", owner: y, expires: 2027-01-31}`,
      says: 'waivers[0].reason: must not be empty',
    },
  ])('$why', ({ text, says }) => {
    expect(issuesOf(text).join('\n')).toContain(says);
  });
});

describe('a where is checked when it is loaded:', () => {
  const where = (on: string, text: string) => issuesOf(rule(`{id: a, on: ${on}, max: 0, where: '${text}'}`)).join('\n');

  test.each([
    { on: 'vulnerabilities', text: 'package == "openssl" && severity in ["High", "Critical"]' },
    { on: 'vulnerabilities', text: 'image.matches("^registry/.*") || image_size_bytes > 10' },
    { on: 'packages', text: 'updated_at < timestamp("2026-01-01T00:00:00Z")' },
    { on: 'ports', text: 'port in [22, 23] && public_ip != ""' },
    { on: 'vulnerabilities', text: 'description.contains("package") // package' },
  ])('$on: $text is right', ({ on, text }) => {
    expect(where(on, text)).toBe('');
  });

  test.each([
    { on: 'ports', text: 'prot == 22', says: 'unknown field prot; did you mean port?', at: 'prot' },
    { on: 'ports', text: 'port == "22"', says: 'no such overload: int == string', at: 'port ==' },
    {
      on: 'vulnerabilities',
      text: 'severity >= "High"',
      says: 'severity is compared by ==, != or in; for one and all above it use min_severity',
      at: 'severity >=',
    },
    {
      on: 'vulnerabilities',
      text: 'severity.startsWith("H")',
      says: 'severity is compared by ==, != or in',
      at: 'severity.starts',
    },
    {
      on: 'vulnerabilities',
      text: 'matches(image, "[")',
      says: '"[" is no regular expression (RE2 syntax)',
      at: '"["',
    },
    { on: 'ports', text: 'port', says: 'is of type int, but has to be a condition (bool)', at: "port'" },
    { on: 'ports', text: 'port ==', says: 'Unexpected token: EOF', at: "'}" },
    {
      on: 'vulnerabilities',
      text: 'severity == "high"',
      says: 'severity is never "high"; did you mean High?',
      at: '"high"',
    },
    { on: 'vulnerabilities', text: 'image.matches("(")', says: '"(" is no regular expression (RE2 syntax)', at: '"("' },
    { on: 'vulnerabilities', text: 'packge == "a"', says: 'unknown field packge; did you mean package?', at: 'packge' },
  ])('$on: $text is wrong', ({ on, text, says, at }) => {
    const shown = where(on, text);
    const line = rule(`{id: a, on: ${on}, max: 0, where: '${text}'}`).split('\n')[3] ?? '';
    expect(shown).toContain(`p.yaml:4:${line.indexOf(at) + 1}: rules[0].where: ${says}`);
  });
});
