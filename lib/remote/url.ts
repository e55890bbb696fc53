import { createHash, createHmac } from 'node:crypto';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Clock } from '../app/ports.ts';
import { InputError } from '../core/errors.ts';
import type { Evaluation } from '../core/evaluation.ts';
import { backoffMs, createHttp, type Http, HttpError, readText } from '../http/request.ts';
import { type RawAnswer, type RemoteRequest, readAnswer, unanswered } from './answer.ts';
import { checkRegion, credentialsProblem } from './credentials.ts';

export interface UrlOptions {
  readonly url: string;
  /** Default: as the host of a function URL says, else `AWS_REGION`. */
  readonly region?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly random: () => number;
}

const timeouts = { connectMs: 5_000, headersMs: 70_000, bodyMs: 15_000, totalMs: 75_000 };
const attempts = { count: 3, baseMs: 1_000, capMs: 10_000 };
/** What Lambda answers with at most. */
const largestAnswer = 6 * 2 ** 20 + 1024;

/**
 * Ask the deployed gate by its function URL, signed with the AWS credentials that the SDK finds (SigV4).
 * @throws {InputError} @throws {RemoteError}
 */
export async function askUrl(options: UrlOptions, request: RemoteRequest, nowMs: number): Promise<Evaluation> {
  const url = parseUrl(options.url);
  const gate = `gate at ${url.host}`;
  const region =
    options.region ?? /\.lambda-url\.([a-z0-9-]+)\.on\.aws$/.exec(url.hostname)?.[1] ?? options.env.AWS_REGION;
  if (region === undefined) throw new InputError('--url: its host does not tell the region; use --region');
  checkRegion(region);
  const credentials = await defaultProvider()().catch((error: Error) => credentialsProblem(error));
  if (typeof credentials === 'string') {
    return unanswered(request, { kind: 'source-unreachable', message: `${gate}: ${credentials}` }, nowMs);
  }
  const signer = new SignatureV4({ service: 'lambda', region, credentials, sha256: Sha256 });
  const http = createHttp();
  try {
    const answer = await ask(url, JSON.stringify(request), signer, http, options);
    return readAnswer(answer, request, gate, nowMs);
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    return unanswered(request, { kind: 'source-unreachable', message: `${gate}: ${error.message}` }, nowMs);
  } finally {
    await http.close();
  }
}

/** A function URL is https; on loopback, for tests, it need not be. */
function parseUrl(text: string): URL {
  const url = URL.parse(text);
  const isLoopback = url?.hostname === '127.0.0.1' || url?.hostname === 'localhost';
  if (url === null || !(url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)))
    throw new InputError('--url: has to be the https URL of a deployed gate');
  if (url.username !== '' || url.password !== '') throw new InputError('--url: must not hold a user or a password');
  return url;
}

async function ask(
  url: URL,
  body: string,
  signer: SignatureV4,
  http: Http,
  { clock, random }: UrlOptions,
): Promise<RawAnswer> {
  for (let n = 1; ; n++) {
    try {
      const answer = await post(url, body, signer, http, clock);
      if (n >= attempts.count || !isWorthAnother(answer)) return answer;
    } catch (error) {
      if (n >= attempts.count || !(error instanceof HttpError) || !error.retryable) throw error;
    }
    await clock.sleep(backoffMs(n, { ...attempts, random, retryAfterMs: undefined }));
  }
}

/** What stands before the gate said no; a verdict is never asked for again. */
function isWorthAnother({ status, body }: RawAnswer): boolean {
  return (status === 429 || status === 502 || status === 503 || status === 504) && !body.includes('"verdict"');
}

async function post(url: URL, body: string, signer: SignatureV4, http: Http, clock: Clock): Promise<RawAnswer> {
  const { headers } = await signer.sign(
    {
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { host: url.host, 'content-type': 'application/json' },
      body,
    },
    { signingDate: new Date(clock.nowMs()) },
  );
  const response = await http.send({ method: 'POST', url, headers, body, timeouts });
  return { status: response.status, body: await readText(response.body, largestAnswer) };
}

/** As the signer wants it. */
class Sha256 {
  readonly #hash;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }

  reset(): void {}
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
