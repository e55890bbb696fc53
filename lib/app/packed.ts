import { gunzipSync, gzipSync } from 'node:zlib';

/** What would be larger than a record of the state may be. */
export interface Packed {
  readonly gzip: string;
}

const packedFrom = 100_000;

/** As it is, or packed from some length on: a log of thousands of alerts, a message about them. */
export function packed<T extends object>(value: T): T | Packed {
  const text = JSON.stringify(value);
  return text.length < packedFrom ? value : { gzip: gzipSync(text).toString('base64') };
}

export function unpacked<T extends object>(value: T | Packed): T {
  return 'gzip' in value ? (JSON.parse(gunzipSync(Buffer.from(value.gzip, 'base64')).toString()) as T) : value;
}
