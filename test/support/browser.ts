import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { inflate } from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

/**
 * A Chromium that npm brought, with the libraries and the font that a plain system may lack.
 * @returns why there is none, where it cannot start: it is built for Linux on x64
 */
export async function startBrowser(): Promise<Browser | string> {
  try {
    const folder = await unpacked();
    return await chromium.launch({
      executablePath: join(folder, 'chromium'),
      env: {
        ...(process.env as Record<string, string>),
        LD_LIBRARY_PATH: [join(folder, 'al2023/lib'), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
        FONTCONFIG_PATH: join(folder, 'fonts'),
      },
      args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none'],
      timeout: 10_000,
    });
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? 'unknown';
  }
}

/** Once for each version of it; a run that dies while unpacking leaves nothing that is taken for it. */
async function unpacked(): Promise<string> {
  const build = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
  const { version } = JSON.parse(await readFile(join(build, '../package.json'), 'utf8'));
  const folder = resolve(`node_modules/.cache/chromium-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const fresh = await mkdtemp(`${folder}-`);
  const { TMPDIR: before } = process.env;
  try {
    // It unpacks to where temporary files go, which it asks for when it is called.
    process.env.TMPDIR = fresh;
    const parts = ['chromium.br', 'al2023.tar.br', 'fonts.tar.br'].map((name) => inflate(join(build, '../bin', name)));
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    await Promise.all(parts);
    await writeFile(join(fresh, 'fonts/fonts.conf'), fontConfig(join(folder, 'fonts')));
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

/** The fonts of the system, and one that is there anyway. */
function fontConfig(folder: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>${folder}</dir>
  <cachedir>${folder}/cache</cachedir>
</fontconfig>
`;
}
