import { gunzipSync, gzipSync } from 'node:zlib';

/** As JSON, packed, as text. */
export function toGzip(value: unknown): string {
  return gzipSync(JSON.stringify(value)).toString('base64');
}

/** @throws {Error} it is cut or changed */
export function fromGzip<T>(text: string): T {
  return JSON.parse(gunzipSync(Buffer.from(text, 'base64')).toString()) as T;
}

/** What would be larger than a record of the state may be. */
export interface Packed {
  readonly gzip: string;
}

const packedFrom = 100_000;

/** As it is, or packed from some length on: a log of thousands of alerts, a message about them. */
export function packed<T extends object>(value: T): T | Packed {
  return JSON.stringify(value).length < packedFrom ? value : { gzip: toGzip(value) };
}

export function unpacked<T extends object>(value: T | Packed): T {
  // What is called so may be a member of its own, and no text then.
  return 'gzip' in value && typeof value.gzip === 'string' ? fromGzip<T>(value.gzip) : (value as T);
}
