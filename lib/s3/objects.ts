import { ObjectError, type Objects, type ReadOptions, type StoredObject } from '../app/objects.ts';
import type { S3Location } from '../core/s3-location.ts';
import { statusOf } from '../http/aws-outage.ts';
import { attempted, clientConfig, type S3Options } from './attempts.ts';

const attempts = { count: 3, baseMs: 500, capMs: 3_000 };
const defaultTimeouts = { answerMs: 4_000, totalMs: 6_000 };

/** Objects in S3, to be read. */
export async function openObjects(options: S3Options): Promise<Objects> {
  const sdk = await import('./client.ts');
  const { endpoint, timeouts = defaultTimeouts } = options;
  const client = new sdk.S3Client(clientConfig(endpoint, timeouts));

  async function get(
    { bucket, key }: S3Location,
    { etag, limitBytes }: ReadOptions,
  ): Promise<StoredObject | undefined> {
    const command = new sdk.GetObjectCommand({
      Bucket: bucket,
      Key: key,
      ...(etag !== undefined && { IfNoneMatch: etag }),
    });
    try {
      const answer = await client.send(command, { abortSignal: AbortSignal.timeout(timeouts.totalMs) });
      const { Body, ContentLength = 0, ETag } = answer;
      const body = await readBody(Body as AsyncIterable<Uint8Array> | undefined, ContentLength, limitBytes);
      return { body, etag: ETag };
    } catch (error) {
      if (statusOf(error) === 304) return undefined;
      throw error;
    }
  }

  return {
    read: (at, wanted) => attempted(() => get(at, wanted), attempts, options),
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
