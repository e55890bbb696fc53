import type { S3Location } from '../core/s3-location.ts';

/** Objects in S3. */
export interface Objects {
  /**
   * @returns undefined: it is still the one of `etag`
   * @throws {ObjectError}
   */
  read(at: S3Location, options: ReadOptions): Promise<StoredObject | undefined>;
  close(): void;
}

export interface ReadOptions {
  /** Of the copy at hand. */
  readonly etag?: string | undefined;
  /** A larger body is not read. */
  readonly limitBytes: number;
}

export interface StoredObject {
  readonly body: Uint8Array;
  readonly etag: string | undefined;
}

/**
 * - `missing`: there is no such object or bucket
 * - `oversized`: its body is larger than was asked for
 * - `refused`: S3, or whoever has the credentials, says no
 * - `unreachable`: there was no answer, or none that says anything of the object; it may be otherwise a moment later
 */
export type ObjectProblem = 'missing' | 'oversized' | 'refused' | 'unreachable';

/** An object could not be read or written. Holds no body, header, URL or credential. */
export class ObjectError extends Error {
  override readonly name = 'ObjectError';
  readonly problem: ObjectProblem;
  /** What S3, the SDK or Node calls it: `AccessDenied`, `ECONNREFUSED`. */
  readonly reason: string;

  constructor(problem: ObjectProblem, reason: string) {
    super(`${problem}: ${reason}`);
    this.problem = problem;
    this.reason = reason;
  }
}
