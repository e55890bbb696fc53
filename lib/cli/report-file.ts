import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Bytes } from '../app/ports.ts';
import { InputError } from '../core/errors.ts';
import type { Terminal } from './terminal.ts';

/** A report at hand, plain or gzip; `-` is standard input. @throws {InputError} */
export async function openReport(path: string, terminal: Terminal): Promise<Bytes> {
  if (path === '-') {
    if (terminal.stdin.isTTY) throw new InputError('--report -: reads standard input, and nothing is piped into it');
    return terminal.stdin;
  }
  const problem = await stat(path).then(
    (found) => (found.isDirectory() ? 'is a folder' : undefined),
    (error: NodeJS.ErrnoException) => `cannot be read (${error.code})`,
  );
  if (problem !== undefined) throw new InputError(`--report ${path}: ${problem}`);
  return readable(path);
}

async function* readable(path: string): Bytes {
  try {
    yield* createReadStream(path, { highWaterMark: 256 * 1024 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new InputError(`--report ${path}: cannot be read (${code})`);
  }
}
