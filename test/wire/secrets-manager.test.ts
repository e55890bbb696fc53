import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { InputError } from '../../lib/core/errors.ts';
import { awsSecrets } from '../../lib/secrets/secrets-manager.ts';
import { type SecretsManager, startSecretsManager } from '../support/secrets-manager.ts';

let server: SecretsManager;
beforeEach(async () => {
  server = await startSecretsManager({ 'portcullis/hss': 'a secret', slow: 'hang' });
  const env = { AWS_ACCESS_KEY_ID: 'AKIAWIRE', AWS_SECRET_ACCESS_KEY: 'wire/canary', AWS_REGION: 'eu-west-1' };
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
});
afterEach(async () => {
  await server.close();
  vi.unstubAllEnvs();
});

const fetched = (name: string) => awsSecrets({ endpoint: server.url, timeoutMs: 100 })(name);

test('a secret is fetched by its name', async () => {
  expect(await fetched('portcullis/hss')).toBe('a secret');
  expect(server.asked).toEqual(['portcullis/hss']);
});

test.each([
  { name: 'slow', kind: 'TimeoutError', times: 3 },
  { name: 'none', kind: 'ResourceNotFoundException', times: 1 },
])('one that cannot be had is told with what to do: $kind', async ({ name, kind, times }) => {
  const error = await fetched(name).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toBe(
    `aws-sm://${name}: cannot be fetched (${kind}); check its name, the region and the permission secretsmanager:GetSecretValue`,
  );
  expect(server.asked).toEqual(Array.from({ length: times }, () => name));
});
