import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Secret } from '../../lib/core/secret.ts';
import { canonicalRequest, encodeQuery, sha256, sign, stringToSign } from '../../lib/hss/sign.ts';

interface Vector {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly query: Record<string, string | number>;
  readonly headers: Record<string, string>;
  readonly host: string;
  readonly body: string;
  readonly canonical_request: string;
  readonly canonical_request_sha256: string;
  readonly string_to_sign: string;
  readonly authorization: string;
}

/** Made with the vendor's own signer; its `generated_with` says how. */
const file: { ak: string; sk: string; vectors: Vector[] } = JSON.parse(
  readFileSync(new URL('../fixtures/signing-vectors.json', import.meta.url), 'utf8'),
);
const credentials = { ak: file.ak, sk: new Secret(file.sk) };
const nowMs = Date.UTC(2026, 0, 2, 3, 4, 5);

test.each(file.vectors)('signs $name as the vendor does', (vector) => {
  const url = new URL(vector.url);
  for (const [name, value] of Object.entries(vector.query)) url.searchParams.append(name, String(value));
  const { 'X-Sdk-Date': date, ...given } = vector.headers;

  const { authorization, ...headers } = sign({
    method: vector.method,
    url,
    headers: given,
    body: vector.body,
    nowMs,
    credentials,
  });
  const canonical = canonicalRequest({ method: vector.method, url, headers, body: vector.body });

  expect(canonical).toBe(vector.canonical_request);
  expect(sha256(canonical)).toBe(vector.canonical_request_sha256);
  expect(stringToSign(String(date), canonical)).toBe(vector.string_to_sign);
  expect(authorization).toBe(vector.authorization);
  expect(headers['x-sdk-date']).toBe(date);
  expect(headers.host).toBe(vector.host);
});

test('all vectors of the file are there', () => {
  expect(file.vectors.length).toBe(6);
});

// API Signing Guide, "AK/SK Signing Algorithm": its example; the key behind the signature is not published.
test('gives the digest of the published example', () => {
  const canonical = canonicalRequest({
    method: 'get',
    url: new URL(
      'https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0',
    ),
    headers: {
      'content-type': 'application/json',
      host: 'service.region.example.com',
      'x-sdk-date': '20191115T033655Z',
    },
  });

  expect(sha256(canonical)).toBe('b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a');
});

test('sends and signs the token of a temporary key', () => {
  const request = { method: 'GET', url: new URL('https://hss.example/v5'), headers: {}, nowMs };

  const headers = sign({ ...request, credentials: { ...credentials, securityToken: new Secret('token-1') } });
  const other = sign({ ...request, credentials: { ...credentials, securityToken: new Secret('token-2') } });

  expect(headers['x-security-token']).toBe('token-1');
  expect(headers.authorization).toContain('SignedHeaders=host;x-sdk-date;x-security-token,');
  expect(headers.authorization).not.toBe(other.authorization);
});

test('sends no token header for a permanent key', () => {
  const headers = sign({ method: 'GET', url: new URL('https://hss.example/v5'), headers: {}, nowMs, credentials });

  expect(Object.keys(headers).sort()).toEqual(['authorization', 'host', 'x-sdk-date']);
});

test.each([
  { why: 'the default port goes', url: 'https://hss.example:443/', host: 'hss.example' },
  { why: 'another port stays', url: 'https://hss.example:8443/', host: 'hss.example:8443' },
  { why: 'lower case', url: 'https://HSS.Example/', host: 'hss.example' },
])('host: $why', ({ url, host }) => {
  expect(sign({ method: 'GET', url: new URL(url), headers: {}, nowMs, credentials }).host).toBe(host);
});

test.each([
  {
    pairs: [
      ['b', '2'],
      ['a', '1'],
    ],
    text: 'a=1&b=2',
  },
  {
    pairs: [
      ['a', 'z'],
      ['a', 'b'],
    ],
    text: 'a=b&a=z',
  },
  { pairs: [['a', '']], text: 'a=' },
  { pairs: [['a b', "!'()*~-._"]], text: 'a%20b=%21%27%28%29%2A~-._' },
  { pairs: [['a', '+ /é']], text: 'a=%2B%20%2F%C3%A9' },
  { pairs: [], text: '' },
] as { pairs: [string, string][]; text: string }[])('a query is written as $text', ({ pairs, text }) => {
  const url = new URL('https://hss.example/');
  url.search = encodeQuery(pairs);

  expect(encodeQuery(pairs)).toBe(text);
  expect(canonicalRequest({ method: 'GET', url, headers: {} }).split('\n')[2]).toBe(text);
});

test.each([
  { path: '/a%20b/c%2Fd', canonical: '/a%20b/c%2Fd/' },
  { path: '/a*b', canonical: '/a%2Ab/' },
  { path: '/', canonical: '/' },
])('the path $path is encoded once', ({ path, canonical }) => {
  const url = new URL(path, 'https://hss.example');

  expect(canonicalRequest({ method: 'GET', url, headers: {} }).split('\n')[1]).toBe(canonical);
});
