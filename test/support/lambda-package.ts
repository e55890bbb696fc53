import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { openPromise } from 'yauzl';
import { decided } from './template.ts';

export const root = resolve(import.meta.dirname, '..', '..');

export interface Resource {
  readonly Type: string;
  readonly DeletionPolicy?: string;
  readonly Condition?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is any JSON
  readonly Properties: any;
}

export interface Packaged {
  readonly resources: Readonly<Record<string, Resource>>;
  /** What it printed, standard error included. */
  readonly output: string;
  /** The zip file of a function. */
  artifact(name: string): string;
}

/**
 * Run `serverless package` into a folder: without network, and with nothing of AWS in the environment.
 * @param project where it is run
 * @throws {Error} it failed; `stderr` has what it printed
 */
export async function packageService(
  folder: string,
  args: readonly string[] = [],
  project: string = root,
): Promise<Packaged> {
  const serverless = join(root, 'node_modules', 'serverless', 'bin', 'serverless.js');
  const ran = await promisify(execFile)(process.execPath, [serverless, 'package', '--package', folder, ...args], {
    cwd: project,
    env: {
      PATH: dirname(process.execPath),
      HOME: `${folder}.home`,
      NODE_OPTIONS: `--import=${new URL('no-network.ts', import.meta.url)}`,
    },
  });
  const { Resources, Conditions } = await readJson(join(folder, 'cloudformation-template-update-stack.json'));
  const { service } = await readJson(join(folder, 'serverless-state.json'));
  return {
    resources: decided(Resources, Conditions),
    output: ran.stdout + ran.stderr,
    artifact: (name) => resolve(project, service.functions[name].package.artifact),
  };
}

// biome-ignore lint/suspicious/noExplicitAny: any JSON
async function readJson(file: string): Promise<any> {
  return JSON.parse(await readFile(file, 'utf8'));
}

/** Unpack a zip file. @returns the paths in it, in its order */
export async function unpack(file: string, folder: string): Promise<string[]> {
  const archive = await openPromise(file);
  const paths: string[] = [];
  for await (const entry of archive.eachEntry()) {
    paths.push(entry.fileName);
    const target = join(folder, entry.fileName);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, await buffer(await archive.openReadStreamPromise(entry)));
  }
  return paths;
}
