import { readFile } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';
import { loadConfig, loadPolicy } from '../../lib/compose.ts';
import { InputError } from '../../lib/core/errors.ts';
import { isS3 } from '../../lib/core/s3-location.ts';
import type { Files } from './zip.ts';

/**
 * A config and the policies it names, as they lie beside a bundle; those in S3 stay there.
 * @param name the path of the config, from the root
 * @throws {InputError} what is wrong with them: it should show before a deployment rather than after
 */
export async function configFiles(root: string, name: string): Promise<Files> {
  const config = resolve(root, name);
  const { sources } = await loadConfig(config);
  const policies = [...new Set(sources.map(({ policy }) => policy))].filter((policy) => !isS3(policy));
  for (const policy of policies) await loadPolicy(policy);
  const files = new Map<string, Uint8Array>();
  for (const file of [config, ...policies]) {
    const path = relative(root, file);
    if (path.startsWith('..') || isAbsolute(path)) {
      throw new InputError(`${name}: ${path}: lies outside of the project, so it cannot be packaged`);
    }
    files.set(path.replaceAll(sep, '/'), await readFile(file));
  }
  return files;
}
