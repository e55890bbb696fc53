import { ObjectError, type Objects, type ReadOptions, type StoredObject } from '../app/objects.ts';
import type { Clock } from '../app/ports.ts';
import type { S3Location } from '../core/s3-location.ts';
import { errorWord } from '../core/text.ts';
import { backoffMs } from '../http/retry.ts';

export interface S3Options {
  /** In place of that of AWS: the buckets are then in its path. */
  readonly endpoint: string | undefined;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
}

const attempts = { count: 3, baseMs: 500, capMs: 3_000 };
/** Of one attempt, body included. */
const totalMs = 10_000;

/** Objects in S3, by the credentials and the region of the environment. */
export async function openObjects({ endpoint, clock, random }: S3Options): Promise<Objects> {
  const sdk = await import('./client.ts');
  const client = new sdk.S3Client({
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    followRegionRedirects: true,
    // Attempts are counted here: what waits between them is the clock.
    maxAttempts: 1,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: 5_000 },
  });

  async function get({ bucket, key }: S3Location, { etag, limitBytes }: ReadOptions): Promise<StoredObject> {
    const command = new sdk.GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(etag !== undefined && { IfNoneMatch: etag }),
    });
    const { Body, ContentLength = 0, ETag } = await client.send(command, { abortSignal: AbortSignal.timeout(totalMs) });
    const body = await readBody(Body as AsyncIterable<Uint8Array> | undefined, ContentLength, limitBytes);
    return { body, etag: ETag };
  }

  return {
    async read(at, options) {
      for (let n = 1; ; n++) {
        try {
          return await get(at, options);
        } catch (error) {
          if (statusOf(error) === 304) return undefined;
          const failure = error instanceof ObjectError ? error : failureOf(error);
          if (failure.problem !== 'unreachable' || n >= attempts.count) throw failure;
          await clock.sleep(backoffMs(n, { ...attempts, random }));
        }
      }
    },
    close: () => client.destroy(),
  };
}

/** A body that is left ends its connection. */
async function readBody(
  body: AsyncIterable<Uint8Array> | undefined,
  statedBytes: number,
  limitBytes: number,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body ?? []) {
    size += piece.length;
    if (Math.max(size, statedBytes) > limitBytes)
      throw new ObjectError('oversized', `more than ${limitBytes.toLocaleString('en-US')} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

function statusOf(error: unknown): number | undefined {
  return (error as SdkError).$metadata?.httpStatusCode;
}

/** By the status and the names alone: a message may quote the answer, or the request with its signature. */
function failureOf(error: unknown): ObjectError {
  const { name, message, code } = error as SdkError;
  const status = statusOf(error);
  const word = errorWord(code) ?? errorWord(name) ?? 'error';
  if (message === 'Region is missing') return new ObjectError('refused', 'no region: set AWS_REGION');
  if (name === 'CredentialsProviderError') return new ObjectError('refused', 'no AWS credentials');
  if (status === 404) return new ObjectError('missing', word);
  if (status === undefined || status < 300 || status === 429 || status >= 500)
    return new ObjectError('unreachable', word);
  return new ObjectError('refused', word);
}
