import { access, constants, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { InputError } from '../core/errors.ts';

/**
 * Before anything is judged, so that a verdict is never lost for want of a folder.
 *
 * @param written option and file @param read what must not be written over
 * @param baseline the one that is read, which may be renewed
 * @throws {InputError}
 */
export async function checkWritable(
  written: readonly (readonly [string, string])[],
  read: readonly (string | undefined)[],
  baseline: string | undefined,
): Promise<void> {
  const sources = new Set(read.flatMap((file) => (file === undefined ? [] : [resolve(file)])));
  const seen = new Set<string>();
  for (const [option, file] of written) {
    const path = resolve(file);
    // A baseline may be renewed in place.
    const isRenewed = option === '--write-baseline' && baseline !== undefined && resolve(baseline) === path;
    if (sources.has(path) && !isRenewed) throw new InputError(`${option} ${file}: would write over what is read`);
    if (seen.has(path)) throw new InputError(`${option} ${file}: is written twice`);
    seen.add(path);
    try {
      const there = await stat(path).catch(() => undefined);
      if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      await access(there === undefined ? dirname(path) : path, constants.W_OK);
    } catch (error) {
      throw unwritable(option, file, error);
    }
  }
}

/** What an earlier run wrote, so that it is not taken for this one's. A pipe or a terminal stays. */
export async function removeFile(file: string): Promise<void> {
  if ((await stat(file).catch(() => undefined))?.isFile()) await rm(file);
}

/** @throws {InputError} */
export async function writeOut(option: string, file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw unwritable(option, file, error);
  }
}

function unwritable(option: string, file: string, error: unknown): InputError {
  return new InputError(`${option} ${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
}
