import { expect, test } from 'vitest';
import { parseConfig } from '../../lib/config/parse.ts';
import { functionNames } from '../../scripts/package/build.ts';
import { checkSecrets, secretsElsewhere, secretsOf, secretsStatement } from '../../scripts/package/secrets.ts';

function configOf({ key = 'aws-sm://hss', hook = 'https://soc.example.com/in', heartbeat = '' }) {
  const text = `version: 1
sources:
  - {name: one, region: ap-southeast-1, credentials: '${key}', policy: p.yaml}
  - {name: two, region: ap-southeast-1, credentials: 'env://HSS', policy: p.yaml}
receivers:
  - {name: chat, slack: {webhook: 'aws-sm://chat#security'}}
  - {name: ops, slack: {webhook: 'aws-sm://chat#ops'}}
  - {name: soc, webhook: {url: '${hook}', signing_secret: 'aws-sm://signing'}}
routes: [{receivers: [chat, ops, soc]}]
${heartbeat && `heartbeat: {url: '${heartbeat}'}`}
`;
  const { config } = parseConfig(text, '/work/portcullis.yaml');
  if (config === undefined) throw new Error('the config is wrong');
  return config;
}

test.each([
  { of: {}, schedule: 'chat signing', scan: 'chat hss signing', deliver: 'chat signing', gate: 'hss' },
  {
    of: { hook: 'aws-sm://soc', heartbeat: 'aws-sm://dog' },
    schedule: 'chat signing soc',
    scan: 'chat dog hss signing soc',
    deliver: 'chat signing soc',
    gate: 'hss',
  },
  {
    of: { key: 'file:///run/hss.json', heartbeat: 'https://dog.example.com' },
    schedule: 'chat signing',
    scan: 'chat signing',
    deliver: 'chat signing',
    gate: '',
  },
])('of $of schedule reads "$schedule", scan "$scan", deliver "$deliver", gate "$gate"', ({ of, ...read }) => {
  const config = configOf(of);
  expect(Object.fromEntries(functionNames.map((name) => [name, secretsOf(config, name).join(' ')]))).toEqual(read);
});

const account = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:';
// biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation fills it in
const own = 'arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:';

test.each([
  { key: 'aws-sm://a/b', prefix: '', on: [{ 'Fn::Sub': `${own}a/b-??????` }] },
  { key: 'aws-sm://a/b#key', prefix: '', on: [{ 'Fn::Sub': `${own}a/b-??????` }] },
  { key: `aws-sm://${account}a/b-a1B2c3`, prefix: '', on: [`${account}a/b-a1B2c3`] },
  { key: `aws-sm://${account}a/b`, prefix: '', on: [`${account}a/b-??????`] },
  { key: 'aws-sm://a/b', prefix: 'a/', on: [{ 'Fn::Sub': `${own}a/*` }] },
  { key: 'env://HSS', prefix: 'a/', on: undefined },
])('a gate with $key and the prefix "$prefix" reads $on', ({ key, prefix, on }) => {
  const statement = { Effect: 'Allow', Action: 'secretsmanager:GetSecretValue', Resource: on };
  expect(secretsStatement(configOf({ key }), 'gate', prefix)).toEqual(
    on === undefined ? { Ref: 'AWS::NoValue' } : statement,
  );
});

// biome-ignore lint/suspicious/noTemplateCurlyInString: what CloudFormation would fill in
test.each(['*', 'portcullis/?', 'a:b', '${AWS::Region}'])('aws-sm://%s is no secret, and allows nothing', (name) => {
  expect(() => secretsStatement(configOf({ key: `aws-sm://${name}` }), 'gate', '')).toThrow(
    `aws-sm://${name}: no secret can have such a name`,
  );
});

test.each(['b/hss', 'hss/a/', `${account}a/hss-a1B2c3`])('aws-sm://%s is not what the prefix a/ lets read', (id) => {
  expect(() => checkSecrets(configOf({ key: `aws-sm://${id}` }), 'a/')).toThrow(
    /^aws-sm:.+: with --param secretsPrefix=a\/ the functions may read secrets of their own account/,
  );
  expect(() => checkSecrets(configOf({ key: `aws-sm://${id}` }), 'a/')).toThrow(`aws-sm://${id}`);
  expect(() => checkSecrets(configOf({ key: `aws-sm://${id}` }), '')).not.toThrow();
});

test('of the secrets that a prefix does not let read all are named, and no others', () => {
  const config = configOf({ key: 'aws-sm://c/hss' });
  expect(() => checkSecrets(config, 'c')).toThrow(/^aws-sm:\/\/signing: with/);
  expect(() => checkSecrets(config, 'chat')).toThrow(/^aws-sm:\/\/c\/hss, aws-sm:\/\/signing: with/);
});

test('secrets in variables and files are named, each once', () => {
  const config = configOf({ key: 'file:///run/hss.json#x', hook: 'env://SOC', heartbeat: 'env://SOC' });
  expect(secretsElsewhere(config)).toEqual(['env://HSS', 'env://SOC', 'file:///run/hss.json#x']);
});
