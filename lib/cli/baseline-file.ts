import { readFile } from 'node:fs/promises';
import { type Baseline, parseBaseline } from '../core/baseline.ts';
import { InputError } from '../core/errors.ts';

/** @throws {InputError} */
export async function readBaseline(file: string | undefined): Promise<Baseline | undefined> {
  if (file === undefined) return undefined;
  try {
    return parseBaseline(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`--baseline ${file}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}
