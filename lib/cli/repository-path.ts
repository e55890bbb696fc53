import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { Terminal } from './terminal.ts';

/**
 * A file as CI systems name it: from the root of its repository, with `/`. In none: from where the command runs, or else as
 * it was given.
 */
export function repositoryPath(path: string, env: Terminal['env']): string {
  const file = resolve(path);
  const roots = [env.GITHUB_WORKSPACE, env.CI_PROJECT_DIR, rootAbove(file), resolve()];
  for (const root of roots) {
    const inside = root ? relative(root, file) : '..';
    if (inside !== '' && !isAbsolute(inside) && !/^\.\.(?:[\\/]|$)/.test(inside)) return inside.replaceAll('\\', '/');
  }
  return path;
}

function rootAbove(file: string): string | undefined {
  let folder = dirname(file);
  while (!existsSync(join(folder, '.git'))) {
    const parent = dirname(folder);
    if (parent === folder) return undefined;
    folder = parent;
  }
  return folder;
}
