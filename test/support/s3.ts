import { buffer } from 'node:stream/consumers';
import { startFauxqs } from 'fauxqs';
import { listen } from '../../lib/simulator/loopback.ts';

export interface S3Call {
  readonly method: string;
  /** `/BUCKET/KEY` */
  readonly path: string;
  readonly ifNoneMatch: string | undefined;
  readonly status: number;
}

/** An answer in place of that of S3; `hang up`: none at all. */
export type S3Fault = { readonly status: number; readonly code: string } | 'hang up';

export interface S3 {
  readonly endpoint: string;
  /** What a client needs. Its secret must be nowhere else. */
  readonly env: Readonly<Record<string, string>>;
  /** What was asked, in order. */
  readonly calls: readonly S3Call[];
  /** What every request meets from now on. */
  fault: S3Fault | undefined;
  put(path: string, body: string | Uint8Array): Promise<void>;
  /** Undefined: there is no such object. */
  get(path: string): Promise<{ readonly body: string; readonly headers: Headers } | undefined>;
  delete(path: string): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export const s3Canary = 's3/secret/canary';

/** S3 on loopback: a real server of it, behind one that counts requests and has faults. */
export async function startS3(...buckets: readonly string[]): Promise<S3> {
  const server = await startFauxqs({ port: 0, logger: false, defaultRegion: 'eu-west-1' });
  for (const bucket of buckets) server.createBucket(bucket);
  const direct = `http://127.0.0.1:${server.port}`;
  const calls: S3Call[] = [];
  let fault: S3Fault | undefined;
  const front = await listen(async (request, response) => {
    const { method = 'GET', url = '' } = request;
    const path = url.replace(/\?.*$/, '');
    const ifNoneMatch = request.headers['if-none-match'];
    const body = await buffer(request);
    const called = (status: number) => calls.push({ method, path, ifNoneMatch, status });
    if (fault === 'hang up') {
      called(0);
      response.destroy();
      return;
    }
    if (fault !== undefined) {
      called(fault.status);
      response.writeHead(fault.status, { 'content-type': 'application/xml' });
      response.end(`<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>${path} told</Message></Error>`);
      return;
    }
    const headers = Object.entries(request.headers).filter(
      ([name]) => !['host', 'connection', 'content-length', 'transfer-encoding', 'expect'].includes(name),
    ) as [string, string][];
    const answer = await fetch(`${direct}${url}`, { method, headers, ...(body.length > 0 && { body }) });
    called(answer.status);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  async function close(): Promise<void> {
    await front.close();
    await server.stop();
  }
  const at = (path: string) => `${direct}/${path}`;
  return {
    endpoint: front.url,
    env: {
      AWS_ENDPOINT_URL_S3: front.url,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'AKIAOBJECTS',
      AWS_SECRET_ACCESS_KEY: s3Canary,
    },
    calls,
    get fault() {
      return fault;
    },
    set fault(next) {
      fault = next;
    },
    async put(path, body) {
      const { ok } = await fetch(at(path), { method: 'PUT', body });
      if (!ok) throw new Error(`${path}: not put`);
    },
    async get(path) {
      const answer = await fetch(at(path));
      if (answer.status === 404) return undefined;
      return { body: await answer.text(), headers: answer.headers };
    },
    async delete(path) {
      await fetch(at(path), { method: 'DELETE' });
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
