import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { InputError, UndeterminedError } from '../../lib/core/errors.ts';
import { Secret } from '../../lib/core/secret.ts';
import { onceEach } from '../../lib/secrets/once.ts';
import { Secrets } from '../../lib/secrets/secrets.ts';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-secrets-'));
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return `file://${join(folder, name)}`;
};

function make(values: Record<string, string> = {}, env: Record<string, string> = {}) {
  const fetched: string[] = [];
  const clock = { nowMs: 0 };
  const secrets = new Secrets({
    env,
    fetchAwsSecret: async (name) => {
      fetched.push(name);
      const value = values[name];
      if (value === undefined) throw new InputError(`aws-sm://${name}: none`);
      return value;
    },
    nowMs: () => clock.nowMs,
    maxAgeMs: 1000,
  });
  return { secrets, fetched, clock, values };
}

describe('a single value', () => {
  test.each([
    { from: 'the environment', reference: () => 'env://URL' },
    { from: 'a file', reference: () => file('one', 'https://x.example/canary\n') },
    { from: 'a member of a file', reference: () => `${file('many', '{"a":{},"url":"https://x.example/canary"}')}#url` },
    { from: 'Secrets Manager', reference: () => 'aws-sm://portcullis/url' },
    { from: 'a member in Secrets Manager', reference: () => 'aws-sm://portcullis/json#url' },
  ])('comes from $from', async ({ reference }) => {
    const value = 'https://x.example/canary';
    const { secrets } = make(
      { 'portcullis/url': value, 'portcullis/json': JSON.stringify({ url: value }) },
      { URL: value },
    );
    expect((await secrets.secret(reference())(false)).reveal()).toBe(value);
  });

  test.each([
    { reference: 'env://NONE', says: 'env://NONE: NONE is not set in the environment' },
    { reference: 'file:///nowhere/x', says: 'file:///nowhere/x: cannot be read (ENOENT)' },
    { reference: 'aws-sm://none', says: 'aws-sm://none: none' },
    { reference: 'aws-sm://text#member', says: 'aws-sm://text#member: is not a JSON object' },
    { reference: 'aws-sm://json#other', says: 'aws-sm://json#other: has no text member other' },
    { reference: 'aws-sm://empty', says: 'aws-sm://empty: is empty' },
  ])('that is missing is an error of the input: $says', async ({ reference, says }) => {
    const { secrets } = make({ text: 'canary{', json: '{"a":"canary"}', empty: '' });
    const error = await secrets
      .secret(reference)(false)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toBe(says);
    expect((error as Error).message).not.toContain('canary');
  });
});

describe('credentials', () => {
  test('come from the variables that share a prefix', async () => {
    const { secrets } = make({}, { X_AK: 'ak', X_SK: 'sk', X_SECURITY_TOKEN: 'token' });
    const { ak, sk, securityToken } = await secrets.credentials('env://X')(false);
    expect([ak, sk.reveal(), securityToken?.reveal()]).toEqual(['ak', 'sk', 'token']);
  });

  test('come from a JSON document, with or without a token', async () => {
    const { secrets } = make({ a: '{"ak":"ak","sk":"sk","security_token":"token"}', b: '{"ak":"ak","sk":"sk"}' });
    expect((await secrets.credentials('aws-sm://a')(false)).securityToken?.reveal()).toBe('token');
    expect(await secrets.credentials('aws-sm://b')(false)).not.toHaveProperty('securityToken');
  });

  test.each(['{"ak":"canary"}', '[]', 'canary', '{"ak":"","sk":"canary"}'])(
    'that lack a part are refused: %s',
    async (text) => {
      const { secrets } = make({ a: text });
      const error = (await secrets
        .credentials('aws-sm://a')(false)
        .catch((e: unknown) => e)) as Error;
      expect(error).toBeInstanceOf(InputError);
      expect(error.message).not.toContain('canary');
    },
  );
});

describe('a fetched secret', () => {
  test('is used until it is old, then fetched again', async () => {
    const { secrets, fetched, clock } = make({ a: '1' });
    const give = secrets.secret('aws-sm://a');
    await give(false);
    clock.nowMs = 999;
    await give(false);
    expect(fetched).toEqual(['a']);
    clock.nowMs = 1000;
    await give(false);
    expect(fetched).toEqual(['a', 'a']);
  });

  test('is fetched anew when the other side refused it', async () => {
    const { secrets, values } = make({ a: 'old' });
    const give = secrets.secret('aws-sm://a');
    expect((await give(false)).reveal()).toBe('old');
    values.a = 'new';
    expect((await give(false)).reveal()).toBe('old');
    expect((await give(true)).reveal()).toBe('new');
    expect((await give(false)).reveal()).toBe('new');
  });

  test('is fetched once for many who ask at the same time', async () => {
    const { secrets, fetched } = make({ a: '{"x":"1","y":"2"}' });
    await Promise.all(
      ['aws-sm://a#x', 'aws-sm://a#y', 'aws-sm://a'].map((reference) => secrets.secret(reference)(false)),
    );
    expect(fetched).toEqual(['a']);
  });

  test('that could not be fetched is asked for again', async () => {
    const { secrets, fetched, values } = make();
    const give = secrets.secret('aws-sm://a');
    await expect(give(false)).rejects.toThrow(InputError);
    values.a = '1';
    expect((await give(false)).reveal()).toBe('1');
    expect(fetched).toEqual(['a', 'a']);
  });
});

describe('in one run a secret', () => {
  const none = 'aws-sm://a: none';

  test('that is missing is asked for once, and in the next run again', async () => {
    const { secrets, fetched, values } = make();
    const secret = onceEach(secrets);
    for (let i = 0; i < 3; i++) await expect(secret('aws-sm://a')(false)).rejects.toThrow(none);
    expect(fetched).toEqual(['a']);
    values.a = '1';
    await expect(secret('aws-sm://a')(false)).rejects.toThrow(none);
    expect((await onceEach(secrets)('aws-sm://a')(false)).reveal()).toBe('1');
  });

  test('that is refused is asked for once more, however often it is', async () => {
    const { secrets, fetched, values } = make({ a: 'old' });
    const secret = onceEach(secrets);
    expect((await secret('aws-sm://a')(false)).reveal()).toBe('old');
    values.a = 'new';
    for (const refresh of [true, true, false]) expect((await secret('aws-sm://a')(refresh)).reveal()).toBe('new');
    expect(fetched).toEqual(['a', 'a']);
  });

  test('that is refused and gone by then stays what it was', async () => {
    const { secrets, fetched, values } = make({ a: 'old' });
    const give = onceEach(secrets)('aws-sm://a');
    await give(false);
    delete values.a;
    await expect(give(true)).rejects.toThrow(none);
    for (const refresh of [true, false]) expect((await give(refresh)).reveal()).toBe('old');
    expect(fetched).toEqual(['a', 'a']);
  });

  test('that could not be asked for is asked for again', async () => {
    let isUp = false;
    const give = onceEach({
      secret: () => async () => {
        if (!isUp) throw new UndeterminedError('source-unreachable', 'no answer');
        return new Secret('1');
      },
    })('aws-sm://a');
    await expect(give(false)).rejects.toThrow('no answer');
    isUp = true;
    expect((await give(false)).reveal()).toBe('1');
  });
});

test('the last value stands in while nobody answers, which is told, and is asked for again a minute later', async () => {
  let [nowMs, isUp, asked] = [0, true, 0];
  const stale: unknown[] = [];
  const secrets = new Secrets({
    env: {},
    async fetchAwsSecret() {
      asked++;
      if (!isUp) throw new UndeterminedError('source-unreachable', 'no answer');
      return `${nowMs}`;
    },
    nowMs: () => nowMs,
    maxAgeMs: 600_000,
    onStale: (...told) => stale.push(told),
  });
  const at = async (minute: number) => {
    nowMs = minute * 60_000;
    return [(await secrets.secret('aws-sm://a')(false)).reveal(), asked];
  };
  expect(await at(0)).toEqual(['0', 1]);
  isUp = false;
  expect([await at(10), await at(10.9), await at(11), await at(11.5)]).toEqual([
    ['0', 2],
    ['0', 2],
    ['0', 3],
    ['0', 3],
  ]);
  expect(stale).toEqual([
    ['aws-sm://a', 600_000, 'no answer'],
    ['aws-sm://a', 660_000, 'no answer'],
  ]);
  isUp = true;
  expect(await at(12)).toEqual([`${12 * 60_000}`, 4]);
});

test.each([
  ['{"hss":{"ak":"A","sk":"S"},"ak":"TOP","sk":"TOP"}', 'A'],
  ['{"hss":"{\\"ak\\":\\"B\\",\\"sk\\":\\"S\\"}"}', 'B'],
])('keys in a member of a secret: %s', async (a, ak) => {
  const { secrets } = make({ a });
  expect((await secrets.credentials('aws-sm://a#hss')(false)).ak).toBe(ak);
  await expect(secrets.credentials('aws-sm://a#eu')(false)).rejects.toThrow('aws-sm://a#eu: has no member eu');
});
