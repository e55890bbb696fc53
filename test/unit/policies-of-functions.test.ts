import { expect, test } from 'vitest';
import { parseConfig } from '../../lib/config/parse.ts';
import { checkPolicies } from '../../scripts/package/policies.ts';

function configOf(...policies: readonly string[]) {
  const sources = policies.map(
    (policy, i) => `  - {name: s${i}, region: ap-southeast-1, credentials: 'aws-sm://hss', policy: '${policy}'}\n`,
  );
  const text = `version: 1
sources:
${sources.join('')}receivers: [{name: chat, slack: {webhook: 'aws-sm://chat'}}]
routes: [{receivers: [chat]}]
`;
  const { config } = parseConfig(text, '/work/portcullis.yaml');
  if (config === undefined) throw new Error('the config is wrong');
  return config;
}

test.each([
  { bucket: '', prefix: 'policies/', says: /^s3:\/\/acme\/policies\/a.yaml: .+: give --param policyBucket=acme$/ },
  {
    bucket: 'other',
    prefix: 'policies/',
    says: /policyBucket is other, and all policies in S3 have to lie in that one/,
  },
  {
    bucket: 'acme',
    prefix: 'teams/',
    says: /does not begin with teams\/: give --param policyPrefix=policies\/, or less/,
  },
])(
  'with the bucket "$bucket" and the prefix $prefix a policy in another place is refused',
  ({ bucket, prefix, says }) => {
    expect(() => checkPolicies(configOf('p.yaml', 's3://acme/policies/a.yaml'), bucket, prefix)).toThrow(says);
  },
);

test('a key without a folder is the prefix itself', () => {
  expect(() => checkPolicies(configOf('s3://acme/a.yaml'), 'acme', 'policies/')).toThrow(
    'policyPrefix=a.yaml, or less',
  );
});

test.each([
  { policies: ['p.yaml'], bucket: '', prefix: 'policies/' },
  { policies: ['s3://acme/policies/a.yaml', 's3://acme/policies/b.yaml'], bucket: 'acme', prefix: 'policies/' },
  { policies: ['s3://acme/a.yaml'], bucket: 'acme', prefix: '' },
])('$policies with the bucket "$bucket" and the prefix "$prefix" are taken', ({ policies, bucket, prefix }) => {
  expect(() => checkPolicies(configOf(...policies), bucket, prefix)).not.toThrow();
});
