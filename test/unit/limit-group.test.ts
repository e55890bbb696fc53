import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compose } from '../../lib/compose.ts';
import { parseConfig } from '../../lib/config/parse.ts';

/** How many groups the sources with these keys are. */
async function groups(...keys: readonly string[]): Promise<number> {
  const sources = keys.map(
    (key, i) => `  - {name: s${i}, region: ap-southeast-1, credentials: '${key}', policy: policies/production.yaml}\n`,
  );
  const text = `version: 1
sources:
${sources.join('')}receivers: [{name: chat, slack: {webhook: 'env://CHAT'}}]
routes: [{receivers: [chat]}]
`;
  const { config } = parseConfig(text, join(import.meta.dirname, '..', '..', 'portcullis.yaml'));
  if (config === undefined) throw new Error('the config is wrong');
  const app = await compose(config, { env: {}, log: () => {} });
  await app.close();
  return new Set(app.sources.map(({ group }) => group)).size;
}

const arn = 'aws-sm://arn:aws:secretsmanager:eu-west-1:111111111111:secret:';

test('a secret is one group, by its name, by its ARN and as any of its members', async () => {
  expect(
    await groups('aws-sm://a/hss', `${arn}a/hss-a1B2c3`, `${arn}a/hss`, `${arn}a/hss-a1B2c3#x`, 'aws-sm://a/hss#y'),
  ).toBe(1);
});

test('other secrets are other groups', async () => {
  expect(await groups('aws-sm://a/hss', 'aws-sm://a/hss-a1B2c3', 'aws-sm://hss', `${arn}b/hss`, 'env://HSS')).toBe(5);
});
