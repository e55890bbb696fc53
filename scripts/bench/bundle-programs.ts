import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { bundle } from '../package/bundle.ts';
import { programs } from './bench.ts';
import { bundleSdk } from './bundle-sdk.ts';

/** Bundle everything that is measured into a folder, each program into one of its own. */
const root = resolve(import.meta.dirname, '..', '..');
const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('bundle-programs: needs a folder');

async function write(name: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  await mkdir(join(folder as string, name), { recursive: true });
  for (const [path, bytes] of files) await writeFile(join(folder as string, name, path), bytes);
}

for (const [name, entry] of Object.entries(programs)) {
  const { files } = await bundle({ root, entry, name: `${name}.mjs`, target: 'node24' });
  await write(name, files);
}
await write('sdk', new Map([['sdk.mjs', await bundleSdk(root)]]));
