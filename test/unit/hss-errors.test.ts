import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { HssError } from '../../lib/hss/errors.ts';

const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);
const asked = { nowMs, ak: 'AKVECTOR00000000TEST' };
const id = '4bc2a9b3c8c0c1d1e2f3a4b5c6d7e8f9';

function errorOf(status: number, body: unknown = '', headers: Record<string, string> = {}): HssError {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return new HssError({ service: 'HSS', status, headers, text }, asked);
}

test.each([
  {
    why: 'the gateway',
    body: { error_msg: 'Incorrect IAM', error_code: 'APIGW.0301', request_id: id },
    code: 'APIGW.0301',
    requestId: id,
  },
  {
    why: 'HSS, usual',
    body: { error_code: 'HSS.1019', error_description: '查询', error_msg: '查询' },
    code: 'HSS.1019',
  },
  { why: 'HSS, bare', body: { error_code: '00000010', error_description: 'x' }, code: '00000010' },
  {
    why: 'IAM, another number than the status',
    body: { error: { code: 1101, message: 'x', title: 'y' } },
    code: '1101',
  },
  { why: 'IAM, the status once more', body: { error: { code: 400, message: 'x' } }, code: undefined },
  { why: 'IAM, newer', body: { error_code: 'PAP5.0011', error_msg: 'x' }, code: 'PAP5.0011' },
  { why: 'the id in a header', body: {}, headers: { 'x-request-id': id }, code: undefined, requestId: id },
  { why: 'the id of IAM', body: {}, headers: { 'x-iam-trace-id': id }, code: undefined, requestId: id },
  { why: 'text', body: 'Bad Gateway', code: undefined },
  { why: 'nothing', body: '', code: undefined },
  { why: 'null', body: 'null', code: undefined },
  { why: 'a list', body: [1], code: undefined },
  { why: 'error is text', body: { error: 'x', error_code: 'HSS.0001' }, code: 'HSS.0001' },
  { why: 'the code is an object', body: { error_code: { toString: 1 }, error_msg: { toString: 1 } }, code: undefined },
])('reads the code and the request of $why', ({ body, headers, code, requestId }) => {
  const error = errorOf(400, body, headers);

  expect({ status: error.status, code: error.code, requestId: error.requestId }).toEqual({
    status: 400,
    code,
    requestId,
  });
  expect(error.message).toMatch(/^HSS answered 400/);
  expect(error.message.includes(code ?? 'HSS answered')).toBe(true);
  expect(error.message.includes(`(request ${id})`)).toBe(requestId !== undefined);
});

test.each([
  { status: 400, code: 'HSS.0001', says: /project_id and enterprise_project_id/ },
  { status: 400, code: 'HSS.0010', says: /give its IAM user the right/ },
  { status: 400, code: 'HSS.0013', says: /give its IAM user the right/ },
  { status: 400, code: 'HSS.0011', says: /not any more/ },
  { status: 400, code: 'HSS.9999', says: /refused the request/ },
  { status: 404, code: 'APIGW.0101', says: /check endpoint and region/ },
  { status: 401, code: 'APIGW.0301', says: /key that ends in TEST was not accepted/ },
  { status: 401, code: 'APIG.0301', says: /key that ends in TEST was not accepted/ },
  { status: 401, code: 'APIGW.0303', says: /key that ends in TEST was not accepted/ },
  { status: 401, code: 'APIGW.0307', says: /temporary credentials have run out/ },
  { status: 403, code: 'APIGW.0302', says: /give its IAM user the right/ },
  { status: 403, code: 'APIGW.0310', says: /project is not available/ },
  { status: 403, code: 'APIGW.0401', says: /from this address/ },
  { status: 429, code: 'APIGW.0308', says: /too many calls/ },
  { status: 401, code: undefined, says: /key that ends in TEST was not accepted/ },
  { status: 403, code: undefined, says: /give its IAM user the right/ },
  { status: 404, code: undefined, says: /not any more/ },
  { status: 429, code: undefined, says: /too many calls/ },
  { status: 500, code: undefined, says: /a problem of its own/ },
  { status: 302, code: undefined, says: /check endpoint and proxies/ },
])('$status $code says what to do', ({ status, code, says }) => {
  expect(errorOf(status, { error_code: code, error_msg: 'x' }).message).toMatch(says);
});

test.each([
  { status: 404, body: {}, missing: true },
  { status: 404, body: '', missing: true },
  { status: 400, body: { error_code: 'HSS.0011' }, missing: true },
  { status: 404, body: { error_code: 'APIGW.0101' }, missing: false },
  { status: 404, body: '<html><title>nginx</title>', missing: false },
  { status: 400, body: { error_code: 'HSS.0001' }, missing: false },
  { status: 500, body: {}, missing: false },
])('$status $body: missing is $missing', ({ status, body, missing }) => {
  expect(errorOf(status, body).missing).toBe(missing);
});

test.each([
  { status: 429, body: {}, throttled: true, retryable: true },
  { status: 400, body: { error_code: 'APIGW.0308' }, throttled: true, retryable: true },
  { status: 500, body: {}, throttled: false, retryable: true },
  { status: 502, body: '<html>', throttled: false, retryable: true },
  { status: 504, body: '', throttled: false, retryable: true },
  { status: 400, body: {}, throttled: false, retryable: false },
  { status: 401, body: {}, throttled: false, retryable: false },
  { status: 403, body: {}, throttled: false, retryable: false },
  { status: 404, body: {}, throttled: false, retryable: false },
  { status: 302, body: '', throttled: false, retryable: false },
  { status: 200, body: '<html>', throttled: false, retryable: false },
])('$status $body: throttled $throttled, retryable $retryable', ({ status, body, throttled, retryable }) => {
  expect(errorOf(status, body)).toMatchObject({ throttled, retryable });
});

test.each([
  { said: 'policy user over ratelimit,limit:5,time:1 minute', limit: { calls: 5, windowMs: 60_000 } },
  { said: 'policy ip over ratelimit,limit:10,time:30 second', limit: { calls: 10, windowMs: 30_000 } },
  { said: 'policy user over ratelimit,limit:100,time:1 hour', limit: { calls: 100, windowMs: 3_600_000 } },
  { said: 'policy api over ratelimit,limit:600,time:1 minute', limit: undefined },
  { said: 'policy user over ratelimit,limit:0,time:1 minute', limit: undefined },
  { said: 'policy user over ratelimit,limit:5,time:0 minute', limit: undefined },
  { said: 'slow down', limit: undefined },
])('learns the limit from "$said"', ({ said, limit }) => {
  const text = `The throttling threshold has been reached: ${said}`;

  expect(errorOf(429, { error_code: 'APIGW.0308', error_msg: text }).limit).toEqual(limit);
  expect(errorOf(429, { error_description: text }).limit).toEqual(limit);
  expect(errorOf(429, text).limit).toEqual(limit);
});

test('knows when to come back', () => {
  expect(errorOf(429, '', { 'retry-after': '30' }).retryAfterMs).toBe(30_000);
  expect(errorOf(503, '', { 'retry-after': 'Fri, 02 Jan 2026 03:05:05 GMT' }).retryAfterMs).toBe(60_000);
  expect(errorOf(503).retryAfterMs).toBeUndefined();
});

test.each([
  { date: 'Fri, 02 Jan 2026 03:27:05 GMT', says: "this machine's clock is 23 minutes behind; set it" },
  { date: 'Fri, 02 Jan 2026 00:00:00 GMT', says: "this machine's clock is 184 minutes ahead; set it" },
  { date: 'Fri, 02 Jan 2026 03:09:00 GMT', says: 'was not accepted' },
  { date: 'yesterday', says: 'was not accepted' },
])('a 401 of $date says "$says"', ({ date, says }) => {
  expect(errorOf(401, { error_code: 'APIGW.0301' }, { date }).message).toContain(says);
});

test.each(['A', 'AK01', 'AK012345'])('a short access key is not shown at all: %s', (ak) => {
  const answer = { service: 'HSS', status: 401, headers: {}, text: '' } as const;

  expect(new HssError(answer, { nowMs, ak }).message).toContain('the access key was not accepted');
});

test('keeps nothing of what the server says', () => {
  const canary = 'a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0'.repeat(2);
  const hex = 'deadbeef'.repeat(8);
  const echo = `verify aksk signature fail, canonical request: GET|/v5/|x-security-token:${canary}|${hex}`;
  const bodies = [
    { error_msg: echo, error_code: 'APIGW.0301', request_id: hex },
    { error_msg: echo, error_code: canary, request_id: canary },
    { error_msg: echo, error_code: hex },
    { error: { code: canary, message: echo } },
    { error_description: echo, error_code: 'HSS.0001' },
    echo,
    `<html>${echo}</html>`,
  ];
  const headers = {
    'x-request-id': canary,
    'x-iam-trace-id': hex,
    date: canary,
    'retry-after': canary,
    server: canary,
  };

  for (const status of [200, 302, 400, 401, 403, 404, 429, 500]) {
    for (const body of bodies) {
      const error = errorOf(status, body, headers);
      const shown = `${inspect(error, { depth: 10, showHidden: true })} ${error.stack} ${JSON.stringify(error)}`;

      expect(shown).not.toContain(canary);
      expect(shown).not.toContain(hex);
      expect(shown).not.toContain('canonical');
      expect(shown).not.toContain(asked.ak);
    }
  }
});
