/** An object in S3. */
export interface S3Location {
  readonly bucket: string;
  readonly key: string;
}

const bucketName = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** As AWS calls them safe, and a few more that need no escaping anywhere. */
const keyText = /^[\w!.*'()/=@+-]{1,1024}$/;

/** `s3:` in any spelling, whether or not the rest of it is right. */
export function isS3(text: string): boolean {
  return /^s3:/i.test(text);
}

/** `s3://BUCKET/KEY`; undefined for anything else, and for keys that somebody on the way may take for another one. */
export function parseS3Location(text: string): S3Location | undefined {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/(.*)$/s.exec(text) ?? [];
  const isKey = keyText.test(key) && key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  return bucketName.test(bucket) && !bucket.includes('..') && isKey ? { bucket, key } : undefined;
}
