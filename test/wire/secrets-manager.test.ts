import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { InputError, UndeterminedError } from '../../lib/core/errors.ts';
import { Secrets } from '../../lib/secrets/secrets.ts';
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

test('one that does not exist is told with what to do', async () => {
  const error = await fetched('none').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(InputError);
  expect((error as Error).message).toBe(
    'aws-sm://none: cannot be fetched (ResourceNotFoundException); check its name, the region and the permission secretsmanager:GetSecretValue',
  );
  expect(server.asked).toEqual(['none']);
});

test('a service that does not answer says nothing of the secret', async () => {
  const error = await fetched('slow').catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(UndeterminedError);
  expect((error as Error).message).toBe('aws-sm://slow: Secrets Manager does not answer (TimeoutError)');
  expect(server.asked).toEqual(['slow', 'slow', 'slow']);
  const nobody = awsSecrets({ endpoint: 'http://127.0.0.1:9', timeoutMs: 100 })('portcullis/hss');
  await expect(nobody).rejects.toBeInstanceOf(UndeterminedError);
});

test('a value that was had stands in for a service that does not answer', async () => {
  let nowMs = 0;
  let fetch = fetched;
  const secrets = new Secrets({ env: {}, fetchAwsSecret: (name) => fetch(name), nowMs: () => nowMs, maxAgeMs: 1000 });
  const give = secrets.secret('aws-sm://portcullis/hss');
  expect((await give(false)).reveal()).toBe('a secret');
  fetch = (name) => awsSecrets({ endpoint: 'http://127.0.0.1:9', timeoutMs: 100 })(name);
  nowMs = 2000;
  expect((await give(false)).reveal()).toBe('a secret');
  await expect(give(true)).rejects.toBeInstanceOf(UndeterminedError);
  fetch = fetched;
  nowMs = 4000;
  expect((await give(false)).reveal()).toBe('a secret');
  expect(server.asked).toHaveLength(2);
});
