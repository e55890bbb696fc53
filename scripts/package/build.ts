import { join, resolve } from 'node:path';
import { type Bundle, bundle } from './bundle.ts';
import { configFiles } from './config-files.ts';
import { writeChanged, writeFolder } from './folder.ts';
import { type Files, zip } from './zip.ts';

export const root = resolve(import.meta.dirname, '..', '..');

export const functionNames = ['schedule', 'scan', 'deliver', 'gate'] as const;
export type FunctionName = (typeof functionNames)[number];

/** Something that was built, by its files. */
export interface Built extends Bundle {
  /** From the root. */
  readonly path: string;
  /** Absent: not packed. */
  readonly zip?: Buffer;
}

/** Everything into `dist`: the command, and for each function a folder and the same as a zip file. */
export async function buildAll(): Promise<Built[]> {
  const [cli, functions] = await Promise.all([buildCli(), buildFunctions()]);
  return [cli, ...functions];
}

async function buildCli(): Promise<Built> {
  const path = 'dist/cli';
  const built = await bundle({ root, entry: 'lib/cli/main.ts', name: 'main.mjs', target: 'node20' });
  await writeFolder(join(root, path), built.files, ['main.mjs']);
  return { path, ...built };
}

/** @param config the path of the config that is packed, from the root */
export async function buildFunctions(config = 'portcullis.yaml'): Promise<Built[]> {
  const files = await configFiles(root, config);
  return Promise.all(functionNames.map((name) => buildFunction(name, files)));
}

async function buildFunction(name: string, config: Files): Promise<Built> {
  const path = `dist/functions/${name}`;
  const built = await bundle({ root, entry: `functions/${name}.ts`, name: `${name}.mjs`, target: 'node24' });
  const files = new Map([...built.files, ...config]);
  const packed = zip(files);
  await writeFolder(join(root, path), files);
  await writeChanged(join(root, `${path}.zip`), packed);
  return { path, ...built, files, zip: packed };
}
