import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import {
  canonicalRequest,
  formatSdkDate,
  parseAuthorization,
  parseSdkDate,
  signatureOf,
} from '../../lib/simulator/signature.ts';

interface Vector {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly query: Readonly<Record<string, string | number>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly host: string;
  readonly body: string;
  readonly canonical_request: string;
  readonly authorization: string;
}

/** Made with the vendor's own signer; its `generated_with` says how. */
const file: { sk: string; vectors: Vector[] } = JSON.parse(
  readFileSync(new URL('../fixtures/signing-vectors.json', import.meta.url), 'utf8'),
);

test.each(file.vectors)('agrees with the vendor on $name', (vector) => {
  const authorization = parseAuthorization(vector.authorization);
  const query = Object.entries(vector.query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const headers: Record<string, string> = { host: vector.host };
  for (const [name, value] of Object.entries(vector.headers)) headers[name.toLowerCase()] = value;

  const canonical = canonicalRequest(
    {
      method: vector.method,
      target: [new URL(vector.url).pathname, ...(query.length > 0 ? [query.join('&')] : [])].join('?'),
      headers,
      body: Buffer.from(vector.body),
    },
    authorization?.signedHeaders ?? [],
  );

  expect(canonical).toBe(vector.canonical_request);
  expect(signatureOf(canonical, headers['x-sdk-date'] ?? '', file.sk)).toBe(authorization?.signature);
});

test('agrees with the example of the signing guide', () => {
  const canonical = canonicalRequest(
    {
      method: 'GET',
      target: '/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0',
      headers: {
        host: 'service.region.example.com',
        'content-type': 'application/json',
        'x-sdk-date': '20191115T033655Z',
      },
      body: Buffer.alloc(0),
    },
    ['content-type', 'host', 'x-sdk-date'],
  );

  expect(createHash('sha256').update(canonical).digest('hex')).toBe(
    'b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a',
  );
});

test.each([
  { why: 'sorted by name, then value', query: 'b=1&a=2&a=1', canonical: 'a=1&a=2&b=1' },
  { why: 'an empty value keeps its sign', query: 'a&b=', canonical: 'a=&b=' },
  { why: 'reserved characters', query: "q=it's*(here)~%20%2F+x", canonical: 'q=it%27s%2A%28here%29~%20%2F%20x' },
])('canonical query: $why', ({ query, canonical }) => {
  const request = { method: 'GET', target: `/p?${query}`, headers: {}, body: Buffer.alloc(0) };

  expect(canonicalRequest(request, []).split('\n')[2]).toBe(canonical);
});

test.each([
  undefined,
  '',
  'Bearer abc',
  'SDK-HMAC-SHA256 Access=a, SignedHeaders=host',
  `SDK-HMAC-SHA256 Access=a,SignedHeaders=host,Signature=${'0'.repeat(64)}`,
])('no authorization: %s', (header) => {
  expect(parseAuthorization(header)).toBeUndefined();
});

test('dates are read as they are written', () => {
  expect(formatSdkDate(Date.UTC(2026, 0, 2, 3, 4, 5, 999))).toBe('20260102T030405Z');
  expect(parseSdkDate('20260102T030405Z')).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  expect(parseSdkDate('2026-01-02T03:04:05Z')).toBeUndefined();
});
