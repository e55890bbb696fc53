import { access, constants, lstat, readFile, realpath, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { filesOf, loadConfig } from '../compose.ts';
import { InputError } from '../core/errors.ts';
import { parseOut } from './formats.ts';
import type { GateValues } from './gate-values.ts';
import { OutputError } from './output-error.ts';
import type { Terminal } from './terminal.ts';

/** A file that is to be written, and by which option. */
export type Written = readonly [option: string, file: string];

/** Files that a run reads, by what tells a file from others whatever it is called. */
interface ReadFiles {
  readonly ids: ReadonlySet<string>;
  /** The text of a config that is no config: what is named in it may be read too. */
  readonly mentions: string;
}

/**
 * Before anything is judged, so that a verdict is never lost for want of a folder, and nothing is removed that is read.
 * @throws {InputError}
 */
export async function checkWritable(
  written: readonly Written[],
  values: GateValues,
  env: Terminal['env'],
): Promise<void> {
  const { ids } = await filesRead(values, env);
  const baseline = values.baseline === undefined ? undefined : await identityOf(values.baseline);
  const seen = new Set<string>();
  for (const [option, file] of written) {
    const id = await identityOf(file);
    // A baseline may be renewed in place.
    if (ids.has(id) || (id === baseline && option !== '--write-baseline'))
      throw new InputError(`${option} ${file}: would write over what is read`);
    if (seen.has(id)) throw new InputError(`${option} ${file}: is written twice`);
    seen.add(id);
    try {
      const there = await stat(file).catch(() => undefined);
      if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      await access(there === undefined ? dirname(resolve(file)) : file, constants.W_OK);
    } catch (error) {
      throw new InputError(unwritable(option, file, error));
    }
  }
}

/** A pipe, a terminal, and what a link leads to by way of a device stay; of another link the file is emptied. */
export async function removeFile(file: string): Promise<void> {
  const there = await lstat(file).catch(() => undefined);
  if (there?.isFile()) await rm(file);
  if (there?.isSymbolicLink() !== true || /^\/(?:dev|proc)\//.test(resolve(file))) return;
  if ((await stat(file).catch(() => undefined))?.isFile()) await truncate(file);
}

/**
 * What an earlier run wrote must not be taken for the verdict of one that was not even understood. Whatever else is named in
 * its arguments may be what it was to read, and stays.
 */
export async function removeEarlier(args: readonly string[], env: Terminal['env']): Promise<void> {
  const options = { out: { type: 'string', multiple: true }, config: { type: 'string' } } as const;
  const { values, tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const others = tokens.flatMap((token) => {
    if (token.kind === 'option-terminator' || (token.kind === 'option' && token.name === 'out')) return [];
    return token.value === undefined ? [] : [token.value];
  });
  const config = typeof values.config === 'string' ? values.config : undefined;
  const { ids, mentions } = await filesRead({ cluster: '', config }, env).catch(() => ({
    ids: undefined,
    mentions: '',
  }));
  if (ids === undefined) return;
  const kept = new Set([...ids, ...(await Promise.all(others.map((file) => identityOf(inputOf(file)))))]);
  for (const text of values.out ?? []) {
    try {
      const { file } = parseOut(String(text));
      const names = [basename(file), basename(await realpath(file))];
      if (!kept.has(await identityOf(file)) && !names.some((name) => mentions.includes(name))) await removeFile(file);
    } catch {
      // It is no output, not there, or cannot be removed.
    }
  }
}

/** @throws {OutputError} */
export async function write(option: string, file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new OutputError(unwritable(option, file, error));
  }
}

function unwritable(option: string, file: string, error: unknown): string {
  return `${option} ${file}: cannot be written (${(error as NodeJS.ErrnoException).code ?? 'error'})`;
}

async function filesRead(values: GateValues, env: Terminal['env']): Promise<ReadFiles> {
  const { report, policy, cluster, function: name, url } = values;
  const files = report === undefined ? [] : [inputOf(report)];
  let mentions = '';
  if (report !== undefined && policy !== undefined) files.push(policy);
  const isRemote = name !== undefined || url !== undefined;
  if (isRemote) files.push(...Object.keys(env).flatMap((key) => (/^AWS_\w+_FILE$/.test(key) ? (env[key] ?? []) : [])));
  if (cluster !== undefined && !isRemote) {
    const config = values.config ?? 'portcullis.yaml';
    files.push(config);
    try {
      files.push(...filesOf(await loadConfig(config), env));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      // That it is invalid is said when it is read.
      mentions = await readFile(config, 'utf8').catch(() => '');
    }
  }
  return { ids: new Set(await Promise.all(files.map(identityOf))), mentions };
}

/** Standard input may be a file, too. */
function inputOf(file: string): string {
  return file === '-' ? '/dev/stdin' : file;
}

/** Whatever they are called. */
export async function isSameFile(a: string | undefined, b: string): Promise<boolean> {
  return a !== undefined && (await identityOf(a)) === (await identityOf(b));
}

/** The same for all names of a file, and for where one would be that is not there. */
async function identityOf(file: string): Promise<string> {
  const there = await stat(file, { bigint: true }).catch(() => undefined);
  if (there !== undefined) return `${there.dev}:${there.ino}`;
  const path = resolve(file);
  return join(await realpath(dirname(path)).catch(() => dirname(path)), basename(path));
}
