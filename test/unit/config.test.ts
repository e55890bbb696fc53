import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../lib/config/parse.ts';
import { formatIssue } from '../../lib/core/yaml.ts';

const source = 'sources:\n  - {name: prod, region: ap-southeast-1, credentials: env://HSS, policy: p.yaml}\n';
const chat = 'receivers:\n  - name: chat\n    slack: { webhook: env://SLACK }\n';
const routes = 'routes:\n  - receivers: [chat]\n';
const issuesOf = (text: string) => parseConfig(text, 'c.yaml').issues.map(formatIssue).join('\n');

test('the config that ships is valid, and its paths are beside it', () => {
  const { config, issues } = parseConfig(readFileSync('portcullis.yaml', 'utf8'), 'portcullis.yaml');
  expect(issues.map(formatIssue)).toEqual([]);
  expect(config?.sources[0]?.policy).toBe(resolve('policies/production.yaml'));
});

test('what is left out has its default', () => {
  const { config } = parseConfig(`version: 1\n${source}`, '/etc/portcullis/c.yaml');
  expect(config).toMatchObject({
    sources: [{ enterprise_project_id: 'all_granted_eps', expect: [], policy: '/etc/portcullis/p.yaml' }],
    receivers: [],
    routes: [],
    secretsMaxAgeMs: 900_000,
  });
});

test('a receiver is at a public address by https, unless it says more', () => {
  const allow = [
    '10.0.0.0/8',
    '192.168.1.2',
    'fd00:12::/32',
    '::1',
    'hooks.internal.example',
    'Alertmanager',
    'a_b.c.',
  ];
  const receivers = [
    'receivers:',
    '  - {name: chat, slack: {webhook: env://SLACK}}',
    `  - {name: inside, webhook: {url: https://hooks.internal.example}, allow: ${JSON.stringify(allow)}}`,
    '  - {name: beside, insecure: true, webhook: {url: http://alertmanager:9093}}',
  ];
  const text = `version: 1\n${source}${receivers.join('\n')}\nroutes:\n  - receivers: [chat, inside, beside]\n`;

  expect(issuesOf(text)).toBe('');
  expect(parseConfig(text, 'c.yaml').config?.receivers).toMatchObject([
    { name: 'chat', insecure: false, allow: [] },
    { name: 'inside', insecure: false, allow },
    { name: 'beside', insecure: true, allow: [] },
  ]);
});

test('a policy in S3 stays where it is, and is read again after some minutes', () => {
  const text = `version: 1\n${source.replace('p.yaml', 's3://acme-policies/teams/eu.west/production.yml')}`;
  const { config, issues } = parseConfig(text, '/etc/portcullis/c.yaml');
  expect(issues).toEqual([]);
  expect(config?.sources[0]?.policy).toBe('s3://acme-policies/teams/eu.west/production.yml');
  expect(config?.policies).toEqual({ max_age: 300_000, usable_for: 86_400_000 });
});

test.each([
  's3://acme/policy.json',
  's3://acme/policy',
  's3:acme/policy.yaml',
  'S3://acme/policy.yaml',
  's3:///policy.yaml',
  's3://acme',
  's3://acme//policy.yaml',
  's3://acme/../policy.yaml',
  's3://acme/a/./policy.yaml',
  's3://Acme/policy.yaml',
  's3://a..b/policy.yaml',
  's3://ab/policy.yaml',
  's3://acme/a b.yaml',
  's3://acme/policy.yaml?versionId=1',
  's3://user:pass@acme/policy.yaml',
  'https://acme.example/policy.yaml',
])('a policy at %s is refused', (policy) => {
  const issues = issuesOf(`version: 1\n${source.replace('p.yaml', `'${policy}'`)}`);
  expect(issues).toMatch(
    /^c\.yaml:3:\d+: sources\[0\]\.policy: has to be the path of a policy file, or s3:\/\/BUCKET\/KEY\.yaml with/,
  );
  expect(issues).not.toContain(policy);
});

test('pages go into a folder beside the config, or into a bucket', () => {
  const pagesOf = (pages: string) => parseConfig(`version: 1\n${source}pages: ${pages}\n`, '/etc/c.yaml').config?.pages;
  expect(pagesOf('{ to: out/pages }')).toEqual({ to: 'out/pages' });
  const link = 'https://reports.example:8443/hss~1/%41';
  expect(pagesOf(`{ to: 's3://acme/hss', link: '${link}' }`)).toEqual({ to: 's3://acme/hss', link });
});

test.each([
  'http://reports.example/',
  'https://reports.example/?a=1',
  'https://reports.example/#a',
  'https://user@reports.example/',
  'https://reports.example/<!channel>',
  'https://reports.example/a|b',
  `https://reports.example/${'a'.repeat(500)}`,
])('%s is nowhere for links to begin', (link) => {
  expect(issuesOf(`version: 1\n${source}pages: { to: out, link: '${link}' }\n`)).toMatch(
    /^c\.yaml:4:\d+: pages\.link: has to be an https URL of letters, digits and/,
  );
});

describe('an invalid config says what, where and what to do:', () => {
  test.each([
    {
      why: 'pages in a place that is none',
      text: `version: 1\n${source}pages: { to: https://acme.example/hss }`,
      says: 'c.yaml:4:14: pages.to: has to be a folder, or s3://BUCKET/PREFIX with a prefix of letters',
    },
    {
      why: 'copies of policies that are too old before they are old enough',
      text: `version: 1\n${source}policies: { max_age: 2h, usable_for: 1h }`,
      says: 'c.yaml:4:38: policies.usable_for: has to be at least max_age, and 7d at most',
    },
    { why: 'no source', text: 'version: 1\nsources: []', says: 'c.yaml:2:10: sources: needs a source' },
    {
      why: 'a typo',
      text: `version: 1\n${source.replace('region', 'regoin')}`,
      says: 'sources[0].regoin: unknown key; did you mean region?',
    },
    {
      why: 'a secret for a key',
      text: `version: 1\n${source.replace('region', 'https://hooks.example/T0Canary')}`,
      says: 'sources[0]: a key that is unknown, and not shown: it may be a secret; known: name, region, ',
    },
    {
      why: 'a source called as news about ourselves is',
      text: `version: 1\n${source.replace('name: prod', 'name: portcullis')}`,
      says: 'sources[0].name: portcullis is taken',
    },
    {
      why: 'two sources of a name',
      text: `version: 1\n${source}${source.split('\n')[1]}\n`,
      says: 'sources[1].name: prod is there twice',
    },
    {
      why: 'an endpoint in plain http',
      text: `version: 1\n${source.replace('credentials', 'endpoint: http://hss.example, credentials')}`,
      says: 'sources[0].endpoint: http is for loopback only; use https',
    },
    {
      why: 'a receiver of no type',
      text: `version: 1\n${source}receivers: [{name: chat}]\n${routes}`,
      says: 'receivers[0]: chat has to be one of slack and webhook, and is neither',
    },
    {
      why: 'a receiver of two types',
      text: `version: 1\n${source}${chat}    webhook: { url: https://x.example }\n${routes}`,
      says: 'and is both',
    },
    {
      why: 'a webhook in plain http',
      text: `version: 1\n${source}receivers: [{name: chat, webhook: {url: http://127.0.0.1:1}}]\n${routes}`,
      says: 'is plain http; use https, or say insecure: true for a loopback address or one that allow lists',
    },
    {
      why: 'insecure that is no boolean',
      text: `version: 1\n${source}${chat}    insecure: "yes"\n${routes}`,
      says: 'receivers[0].insecure: has to be a boolean, not a string',
    },
    {
      why: 'allow that is no list',
      text: `version: 1\n${source}${chat}    allow: 10.0.0.0/8\n${routes}`,
      says: 'receivers[0].allow: ',
    },
    {
      why: 'a route to nobody',
      text: `version: 1\n${source}${chat}routes:\n  - receivers: [caht]\n`,
      says: 'routes[0].receivers: there is no such receiver; did you mean chat?',
    },
    {
      why: 'no catch-all',
      text: `version: 1\n${source}${chat}routes:\n  - {when: 'severity == "high"', receivers: [chat]}\n`,
      says: 'routes: a catch-all is required',
    },
    { why: 'no route at all', text: `version: 1\n${source}${chat}`, says: 'routes: a catch-all is required' },
    {
      why: 'a route behind the catch-all',
      text: `version: 1\n${source}${chat}${routes}  - receivers: [chat]\n`,
      says: 'routes[1]: is never reached: routes[0] takes everything',
    },
    {
      why: 'a receiver that no route leads to',
      text: `version: 1\n${source}${chat}  - {name: x, slack: {webhook: env://X}}\n${routes}`,
      says: 'receivers[1]: no route leads to x',
    },
    {
      why: 'a route by what is not',
      text: `version: 1\n${source}${chat}routes:\n  - {when: 'severity == "High"', receivers: [chat]}\n  - receivers: [chat]\n`,
      says: 'routes[0].when: severity is never "High"; did you mean high?',
    },
  ])('$why', ({ text, says }) => {
    expect(issuesOf(text)).toContain(says);
  });

  test.each([
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0/8',
    '10.0.0',
    '10.0.0.256',
    '0x7f.1',
    '10.0.0.0/8, 10.1.0.0/16',
    '10.0.0.0/255.0.0.0',
    'fe80::1%eth0',
    '[::1]',
    '*.internal.example',
    'https://hooks.internal.example',
    'hooks.internal.example:8443',
    'hooks.internal.example/in',
    'me@hooks.internal.example',
    ' ',
    '',
  ])('allow: %j', (entry) => {
    const text = `version: 1\n${source}${chat}    allow: [127.0.0.1, ${JSON.stringify(entry)}]\n${routes}`;

    expect(issuesOf(text)).toBe(
      'c.yaml:7:24: receivers[0].allow[1]: has to be a range of addresses such as 10.0.0.0/8, an address, or the exact ' +
        'name of a host without scheme, port and "*"',
    );
  });

  test.each([
    chat.replace('{ webhook: env://SLACK }', 'https://hooks.slack.com/services/T0/B0/canary'),
    chat.replace('env://SLACK', '[canary]'),
    chat.replace('env://SLACK', '*canary'),
    chat.replace('env://SLACK', '!canary x'),
    `${chat}    format: canary\n`,
  ])('a secret in the wrong place is not shown back: %#', (receivers) => {
    const shown = issuesOf(`version: 1\n${source}${receivers}${routes.replace('chat', 'https://canary')}`);
    expect(shown).toMatch(/^c\.yaml:\d+:\d+: /);
    expect(shown).not.toContain('canary');
  });

  test('a secret in place of a reference is not shown back', () => {
    for (const text of [
      `version: 1\n${source}${chat.replace('env://SLACK', 'https://hooks.slack.com/services/T0/B0/canary')}${routes}`,
      `version: 1\n${source.replace('env://HSS', 'canary')}`,
      `version: 1\n${source.replace('credentials: env://HSS', 'sk: canary')}`,
      `version: 1\n${source.replace('env://HSS', '{ak: canary, sk: canary}')}`,
    ]) {
      expect(issuesOf(text)).toMatch(/^c\.yaml:\d+:\d+: /);
      expect(issuesOf(text)).not.toContain('canary');
    }
  });
});
