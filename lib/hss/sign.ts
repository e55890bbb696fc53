import { createHash, createHmac } from 'node:crypto';
import type { Credentials } from '../core/secret.ts';

export interface UnsignedRequest {
  readonly method: string;
  /** Its query is best written by `encodeQuery`. */
  readonly url: URL;
  /** All of them are signed: leave out what a proxy may change, such as `accept-encoding`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface SignRequest extends UnsignedRequest {
  readonly nowMs: number;
  readonly credentials: Credentials;
}

const algorithm = 'SDK-HMAC-SHA256';

/**
 * The headers to send: those given, in lower case, with `host`, `x-sdk-date`, `x-security-token` for a temporary key,
 * and `authorization`. They hold for 15 minutes around `nowMs`.
 * @see API Signing Guide, "AK/SK Signing Algorithm"
 */
export function sign(request: SignRequest): Record<string, string> {
  const { ak, sk, securityToken } = request.credentials;
  const date = new Date(request.nowMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = { host: request.url.host, 'x-sdk-date': date };
  if (securityToken !== undefined) headers['x-security-token'] = securityToken.reveal();
  for (const [name, value] of Object.entries(request.headers)) headers[name.toLowerCase()] = value.trim();

  const canonical = canonicalRequest({ ...request, headers });
  const signature = createHmac('sha256', sk.reveal()).update(stringToSign(date, canonical)).digest('hex');
  const signed = signedHeaders(headers);
  headers.authorization = `${algorithm} Access=${ak}, SignedHeaders=${signed}, Signature=${signature}`;
  return headers;
}

/** The text whose digest is signed. Headers have lower-case names and trimmed values here. */
export function canonicalRequest({ method, url, headers, body = '' }: UnsignedRequest): string {
  return [
    method.toUpperCase(),
    canonicalPath(url.pathname),
    encodeQuery([...url.searchParams]),
    ...Object.keys(headers)
      .sort()
      .map((name) => `${name}:${headers[name]}`),
    '',
    signedHeaders(headers),
    headers['x-sdk-content-sha256'] ?? sha256(body),
  ].join('\n');
}

export function stringToSign(date: string, canonical: string): string {
  return [algorithm, date, sha256(canonical)].join('\n');
}

/**
 * Names and values as in RFC 3986, sorted by name, then value. The wire carries the same text, so that a space is
 * `%20` for everyone.
 */
export function encodeQuery(pairs: readonly (readonly [string, string])[]): string {
  return [...pairs]
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Ends in a slash here, whether or not the path on the wire does. */
function canonicalPath(path: string): string {
  const encoded = path
    .split('/')
    .map((segment) => encode(decodeURIComponent(segment)))
    .join('/');
  return encoded.endsWith('/') ? encoded : `${encoded}/`;
}

function signedHeaders(headers: Readonly<Record<string, string>>): string {
  return Object.keys(headers).sort().join(';');
}

/** `encodeURIComponent` leaves five characters alone that RFC 3986 reserves. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
