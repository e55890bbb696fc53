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

/**
 * The file that the pipeline at hand is written in, from the root of its repository: `.github/workflows/deploy.yml`.
 * @see GITHUB_WORKFLOW_REF, `owner/repository/path@ref`, and CI_CONFIG_PATH, which may be a URL or of another project
 */
export function pipelinePath({
  GITHUB_WORKFLOW_REF,
  GITHUB_REPOSITORY,
  CI_CONFIG_PATH,
}: Terminal['env']): string | undefined {
  const [workflow = ''] = (GITHUB_WORKFLOW_REF ?? '').split('@');
  if (GITHUB_REPOSITORY && workflow.startsWith(`${GITHUB_REPOSITORY}/`))
    return workflow.slice(GITHUB_REPOSITORY.length + 1);
  return CI_CONFIG_PATH && /^[\w./-]+$/.test(CI_CONFIG_PATH) ? CI_CONFIG_PATH : undefined;
}
