import { createHash, createHmac } from 'node:crypto';

/**
 * SDK-HMAC-SHA256 as the gateway checks it. Written apart from the client's signer, so that the two check each other.
 *
 * @see hss-api: part 3.1
 */

/** A request as it came over the wire. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query, undecoded. */
  readonly target: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

export interface Authorization {
  readonly ak: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

const authorizationPattern = /^SDK-HMAC-SHA256 Access=([^,\s]+), SignedHeaders=([^,\s]+), Signature=([0-9a-f]{64})$/;

export function parseAuthorization(header: string | undefined): Authorization | undefined {
  const [, ak, signedHeaders, signature] = authorizationPattern.exec(header ?? '') ?? [];
  if (!ak || !signedHeaders || !signature) return undefined;
  return { ak, signedHeaders: signedHeaders.split(';'), signature };
}

/** Six parts, each on a line of its own; the headers end in a newline of theirs, hence the empty line after them. */
export function canonicalRequest(request: SignedRequest, signedHeaders: readonly string[]): string {
  const [path = '', query = ''] = splitOnce(request.target, '?');
  const names = signedHeaders.map((name) => name.toLowerCase()).sort();
  return [
    request.method.toUpperCase(),
    canonicalPath(path),
    canonicalQuery(query),
    names.map((name) => `${name}:${(request.headers[name] ?? '').trim()}\n`).join(''),
    names.join(';'),
    request.headers['x-sdk-content-sha256'] ?? sha256(request.body),
  ].join('\n');
}

export function signatureOf(canonical: string, sdkDate: string, sk: string): string {
  return createHmac('sha256', sk)
    .update(`SDK-HMAC-SHA256\n${sdkDate}\n${sha256(canonical)}`)
    .digest('hex');
}

/** `20260102T030405Z` as epoch milliseconds. */
export function parseSdkDate(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)?.slice(1).map(Number);
  if (!parts) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

export function formatSdkDate(atMs: number): string {
  return new Date(atMs).toISOString().replace(/[-:]|\.\d{3}/g, '');
}

/** Each segment decoded, then encoded once; a slash at the end, which the request itself need not have. */
function canonicalPath(path: string): string {
  const encoded = path
    .split('/')
    .map((segment) => encode(decode(segment)))
    .join('/');
  return encoded.endsWith('/') ? encoded : `${encoded}/`;
}

/** Sorted by name, then value; `name=` for an empty value. */
function canonicalQuery(query: string): string {
  const pairs = query
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', value = ''] = splitOnce(pair, '=').map((part) => decode(part.replaceAll('+', ' ')));
      return { name, value };
    });
  pairs.sort((a, b) => compare(a.name, b.name) || compare(a.value, b.value));
  return pairs.map(({ name, value }) => `${encode(name)}=${encode(value)}`).join('&');
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** RFC 3986: all but `A-Z a-z 0-9 - . _ ~`, in upper-case hex. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Text that is no valid encoding stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
