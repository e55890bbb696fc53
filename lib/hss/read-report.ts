import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Bytes, Push, ReadReport } from '../app/ports.ts';
import { UndeterminedError } from '../core/errors.ts';
import type { Reason } from '../core/evaluation.ts';
import type { FindingKind, ReportFacts } from '../core/report.ts';
import { defaultLimits, type ReportLimits, ReportStream } from './report-stream.ts';

export interface ReadOptions {
  readonly limits?: ReportLimits | undefined;
  /** Told of the bytes read so far, unpacked, after each piece. */
  readonly onProgress?: ((byteLength: number) => void) | undefined;
}

/**
 * Read a report from its bytes, plain or gzip (told apart by the first two). A broken report is a problem in the result;
 * a body that fails on its way, such as by a network error, is that error.
 */
export async function readReport(
  body: Bytes,
  read: ReadonlySet<FindingKind>,
  push: Push,
  options: ReadOptions = {},
): Promise<ReadReport> {
  const digest = createHash('sha256');
  const reader = new ReportStream(read, push, options.limits ?? defaultLimits);
  const consume = async (bytes: Bytes) => {
    for await (const piece of bytes) {
      digest.update(piece);
      reader.write(piece);
      options.onProgress?.(reader.byteLength);
    }
  };
  const done = (facts: ReportFacts, problem?: Reason): ReadReport => ({
    facts,
    ...(problem !== undefined && { problem }),
    digest: `sha256:${digest.digest('hex')}`,
    byteLength: reader.byteLength,
  });
  try {
    const { isGzip, bytes } = await sniff(body);
    if (isGzip) await pipeline(bytes, createGunzip(), consume);
    else await consume(bytes);
    return done(reader.end());
  } catch (error) {
    const problem = error instanceof UndeterminedError ? error.reason : gzipProblem(error, reader.byteLength);
    if (problem === undefined) throw error;
    return done(reader.facts(), problem);
  }
}

/** Look at the first two bytes, which may come in two pieces, and give all of them back. */
async function sniff(body: Bytes): Promise<{ isGzip: boolean; bytes: Bytes }> {
  const pieces = body[Symbol.asyncIterator]();
  const head: Uint8Array[] = [];
  let length = 0;
  while (length < 2) {
    const next = await pieces.next();
    if (next.done) break;
    head.push(next.value);
    length += next.value.length;
  }
  const [first, second] = Buffer.concat(head.map((piece) => piece.subarray(0, 2)));
  async function* bytes() {
    let isDone = false;
    try {
      yield* head;
      for (;;) {
        const next = await pieces.next();
        isDone = next.done === true;
        if (next.done) return;
        yield next.value;
      }
    } finally {
      if (!isDone) await pieces.return?.();
    }
  }
  return { isGzip: first === 0x1f && second === 0x8b, bytes: bytes() };
}

function gzipProblem(error: unknown, byteLength: number): Reason | undefined {
  const { code } = error as { code?: string };
  if (code === 'Z_BUF_ERROR') {
    return {
      kind: 'report-truncated',
      message: `the gzip file ends before it is whole, after ${byteLength} unpacked bytes`,
    };
  }
  if (code?.startsWith('Z_')) return { kind: 'report-unreadable', message: `the report is not valid gzip (${code})` };
  return undefined;
}
