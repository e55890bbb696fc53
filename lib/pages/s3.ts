import type { PageWriter } from '../app/pages.ts';
import { attempted, clientConfig, type S3Options } from '../s3/attempts.ts';

/** A message waits for its page. */
const attempts = { count: 2, baseMs: 300, capMs: 1_000 };
const defaultTimeouts = { answerMs: 4_000, totalMs: 5_000 };

/** Pages in a bucket; they are encrypted as it says. */
export async function openBucket(
  { bucket, prefix }: { readonly bucket: string; readonly prefix: string },
  options: S3Options,
): Promise<PageWriter> {
  const sdk = await import('../s3/client.ts');
  const { endpoint, timeouts = defaultTimeouts } = options;
  const client = new sdk.S3Client(clientConfig(endpoint, timeouts));
  return {
    async write(key, page) {
      const object = {
        Bucket: bucket,
        Key: `${prefix}${key}`,
        Body: page,
        ContentType: 'text/html; charset=utf-8',
        CacheControl: 'private, no-cache',
      };
      const put = () =>
        client.send(new sdk.PutObjectCommand(object), { abortSignal: AbortSignal.timeout(timeouts.totalMs) });
      await attempted(put, attempts, options);
    },
    close: () => client.destroy(),
  };
}
