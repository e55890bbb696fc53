import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { root } from '../support/lambda-package.ts';

const folder = mkdtempSync(join(tmpdir(), 'portcullis-image-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('what the Dockerfile packs, and lays down elsewhere, is a command that runs', () => {
  const dockerfile = readFileSync(join(root, 'ci/Dockerfile'), 'utf8');
  const [, pack = ''] = /^RUN (npm pack .*)$/m.exec(dockerfile) ?? [];
  const here = pack.replaceAll('/tmp', folder).replaceAll('/package', join(folder, 'package'));
  execFileSync('sh', ['-ec', here], { cwd: root, stdio: 'pipe', env: { ...process.env, npm_config_offline: 'true' } });

  const [, from = '', to = ''] =
    /^RUN ln -s \/opt\/portcullis\/(\S+) \/usr\/local\/bin\/(\S+)$/m.exec(dockerfile) ?? [];
  const link = join(folder, to);
  symlinkSync(join(folder, 'package', from), link);
  const version = execFileSync(process.execPath, [link, '--version'], { encoding: 'utf8', cwd: folder, env: {} });
  expect(version).toBe(`${manifest.version}\n`);
}, 60_000);
