import type { RequestListener } from 'node:http';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ObjectError, type Objects } from '../../lib/app/objects.ts';
import { openBucket } from '../../lib/pages/s3.ts';
import { openObjects } from '../../lib/s3/objects.ts';
import { type Loopback, listen } from '../../lib/simulator/loopback.ts';
import { type S3, s3Canary, startS3 } from '../support/s3.ts';

const slept: number[] = [];
const clock = {
  nowMs: Date.now,
  async sleep(ms: number) {
    slept.push(ms);
  },
};
const timeouts = { answerMs: 150, totalMs: 300 };
const around = { clock, random: () => 1, timeouts };
const at = { bucket: 'acme', key: "teams/a+b=c@d_(1)/it's!*.yaml" };
const limitBytes = 1000;

let closing: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  slept.length = 0;
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAWIRE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', s3Canary);
  vi.stubEnv('AWS_REGION', 'eu-west-1');
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  closing = [];
  vi.unstubAllEnvs();
});

async function serve(listener: RequestListener): Promise<{ objects: Objects; server: Loopback; asked: () => number }> {
  let asked = 0;
  const server = await listen((request, response) => {
    asked++;
    listener(request, response);
  });
  const objects = await openObjects({ ...around, endpoint: server.url });
  closing.push(() => server.close(), objects.close);
  return { objects, server, asked: () => asked };
}

const failureOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ObjectError);
  const { problem, reason } = error as ObjectError;
  expect(inspect(error)).not.toMatch(/AKIAWIRE|canary|StringToSign|secret-body/);
  return { problem, reason };
};

describe('an object', () => {
  let s3: S3;
  let objects: Objects;
  beforeEach(async () => {
    s3 = await startS3('acme');
    objects = await openObjects({ ...around, endpoint: s3.endpoint });
    closing.push(s3.close, objects.close);
  });

  test('is read as it is, whatever its key, and not once more while it is the same', async () => {
    await s3.put(`acme/${at.key}`, 'as it is');
    const found = await objects.read(at, { limitBytes });
    expect(Buffer.from(found?.body ?? []).toString()).toBe('as it is');
    expect(await objects.read(at, { etag: found?.etag, limitBytes })).toBeUndefined();
    await s3.put(`acme/${at.key}`, 'another one');
    expect((await objects.read(at, { etag: found?.etag, limitBytes }))?.etag).not.toBe(found?.etag);
    expect(s3.calls.map(({ status }) => status)).toEqual([200, 304, 200]);
  });

  test('may be as large as was asked for, and no larger', async () => {
    await s3.put(`acme/${at.key}`, 'x'.repeat(limitBytes));
    expect((await objects.read(at, { limitBytes }))?.body).toHaveLength(limitBytes);
    await s3.put(`acme/${at.key}`, 'x'.repeat(limitBytes + 1));
    expect(await failureOf(objects.read(at, { limitBytes }))).toEqual({
      problem: 'oversized',
      reason: 'more than 1,000 bytes',
    });
  });

  test.each([
    { bucket: 'acme', reason: 'NoSuchKey' },
    { bucket: 'nobody', reason: 'NoSuchBucket' },
  ])('that is not there: $reason', async ({ bucket, reason }) => {
    expect(await failureOf(objects.read({ ...at, bucket }, { limitBytes }))).toEqual({ problem: 'missing', reason });
    expect(slept).toEqual([]);
  });

  test('is written with its type', async () => {
    const pages = await openBucket({ bucket: 'acme', prefix: 'hss/' }, { ...around, endpoint: s3.endpoint });
    closing.push(pages.close);
    await pages.write('a/b.html', '<p>ü');
    const page = await s3.get('acme/hss/a/b.html');
    expect([page?.body, page?.headers.get('content-type')]).toEqual(['<p>ü', 'text/html; charset=utf-8']);
  });
});

describe('S3 that', () => {
  test.each<{ why: string; listener: RequestListener; reason: RegExp }>([
    { why: 'does not answer', listener: () => {}, reason: /^(ETIMEDOUT|TimeoutError)$/ },
    {
      why: 'stops in the middle of a body',
      listener: (_, response) => {
        response.writeHead(200, { 'content-length': '500' }).write('secret-body');
      },
      reason: /^(ECONNRESET|AbortError|TimeoutError)$/,
    },
    {
      why: 'hangs up in the middle of a body',
      listener: (_, response) => {
        response.writeHead(200, { 'content-length': '500' }).write('secret-body');
        setTimeout(() => response.destroy(), 20);
      },
      reason: /^ECONNRESET$/,
    },
    {
      why: 'answers with an error of its own, which quotes the request',
      listener: (_, response) => {
        response.writeHead(500).end(`<Error><Code>InternalError</Code><Message>${s3Canary}</Message></Error>`);
      },
      reason: /^InternalError$/,
    },
    {
      why: 'is something else',
      listener: (_, response) => {
        response.writeHead(502).end('<html>secret-body');
      },
      reason: /^[A-Za-z]+$/,
    },
  ])('$why is unreachable, after three attempts with pauses that grow', async ({ listener, reason }) => {
    const { objects, asked } = await serve(listener);
    expect(await failureOf(objects.read(at, { limitBytes }))).toEqual({
      problem: 'unreachable',
      reason: expect.stringMatching(reason),
    });
    expect(asked()).toBe(3);
    expect(slept).toEqual([500, 1000]);
  });

  test.each([
    { status: 403, code: 'AccessDenied' },
    { status: 403, code: 'SignatureDoesNotMatch' },
    { status: 400, code: 'ExpiredToken' },
  ])('says $code is asked once', async ({ status, code }) => {
    const { objects, asked } = await serve((_, response) => {
      response.writeHead(status).end(`<Error><Code>${code}</Code><StringToSign>${s3Canary}</StringToSign></Error>`);
    });
    expect(await failureOf(objects.read(at, { limitBytes }))).toEqual({ problem: 'refused', reason: code });
    expect(asked()).toBe(1);
  });
});

test.each([
  { without: ['AWS_REGION'], reason: 'no region: set AWS_REGION' },
  { without: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'], reason: 'no AWS credentials' },
])('without $without nothing is asked', async ({ without, reason }) => {
  for (const name of ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']) vi.stubEnv(name, '/nowhere');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  for (const name of without) vi.stubEnv(name, undefined);
  const { objects, asked } = await serve(() => {});
  expect(await failureOf(objects.read(at, { limitBytes }))).toEqual({ problem: 'refused', reason });
  expect(asked()).toBe(0);
});
