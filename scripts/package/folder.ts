import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { Files } from './zip.ts';

/**
 * Make a folder hold these files and no others. A file that is there already stays untouched, and a new one appears
 * whole, so a build does not disturb what reads the last one.
 * @param executable their paths
 */
export async function writeFolder(folder: string, files: Files, executable: readonly string[] = []): Promise<void> {
  for (const [path, bytes] of files) await writeChanged(join(folder, path), bytes, executable.includes(path));
  for (const entry of await readdir(folder, { recursive: true })) {
    const path = entry.replaceAll(sep, '/');
    const file = join(folder, entry);
    if (!files.has(path) && (await stat(file)).isFile()) await rm(file);
  }
}

export async function writeChanged(file: string, bytes: Uint8Array, isExecutable = false): Promise<void> {
  const before = await readFile(file).catch(() => undefined);
  if (before?.equals(bytes)) return;
  await mkdir(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}`;
  await writeFile(fresh, bytes, { mode: isExecutable ? 0o755 : 0o644 });
  await rename(fresh, file);
}
