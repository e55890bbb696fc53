import { readFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { loadConfig, loadPolicy } from '../../lib/compose.ts';
import { InputError } from '../../lib/core/errors.ts';
import type { Files } from './zip.ts';

/**
 * `portcullis.yaml` and the policies it names, as they lie beside a bundle.
 * @throws {InputError} what is wrong with them: it should show before a deployment rather than after
 */
export async function configFiles(root: string): Promise<Files> {
  const config = resolve(root, 'portcullis.yaml');
  const { sources } = await loadConfig(config);
  const policies = [...new Set(sources.map(({ policy }) => policy))];
  for (const policy of policies) await loadPolicy(policy);
  const files = new Map<string, Uint8Array>();
  for (const file of [config, ...policies]) {
    const path = relative(root, file);
    if (path.startsWith('..') || isAbsolute(path)) {
      throw new InputError(`portcullis.yaml: policy ${path}: lies outside of the project, so it cannot be packaged`);
    }
    files.set(path.replaceAll(sep, '/'), await readFile(file));
  }
  return files;
}
