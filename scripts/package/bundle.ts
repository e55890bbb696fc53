import { basename, relative, sep } from 'node:path';
import { build, type Metafile, type Plugin } from 'esbuild';
import type { Files } from './zip.ts';

export interface BundleOptions {
  readonly root: string;
  /** From the root. */
  readonly entry: string;
  /** What it becomes: `gate.mjs`. */
  readonly name: string;
  readonly target: 'node20' | 'node24';
}

export interface Bundle {
  readonly files: Files;
  /** Those that are loaded at the start: the entry and what it imports statically. */
  readonly start: readonly string[];
}

/**
 * Bundle a module with all it needs, as ECMAScript modules: what is imported dynamically, such as the AWS SDK, lies in
 * chunks of its own, that are loaded when they are asked for.
 */
export async function bundle({ root, entry, name, target }: BundleOptions): Promise<Bundle> {
  const out = `${root}${sep}out`;
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: { [basename(name, '.mjs')]: entry },
    outdir: out,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // Beside the entry, so that what is relative to a module stays so.
    chunkNames: '[name]-[hash]',
    platform: 'node',
    target,
    // The AWS SDK as modules: a third of its size as CommonJS.
    mainFields: ['module', 'main'],
    // Names stay, for the traces in a log. They cost no time at the start, and less space than a source map of them.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'none',
    // Leaves out the second HTTP parser of undici, an experiment that is off: 150 kB.
    define: { esbuildDetection: 'true' },
    // Dependencies that are CommonJS ask for Node's own modules by it.
    banner: { js: `import{createRequire}from'node:module';const require=createRequire(import.meta.url);` },
    plugins: [withoutHttp2],
    logLevel: 'warning',
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [relative(out, path).replaceAll(sep, '/'), contents]));
  return { files, start: startOf(metafile, name) };
}

/** Leaves out the HTTP/2 client of undici: lib/http never asks for it, and it loads `node:http2`, 25 ms of a start. */
const withoutHttp2: Plugin = {
  name: 'without-http2',
  setup({ onLoad }) {
    const contents = `module.exports = () => { throw new Error('HTTP/2 is left out of the bundle'); };`;
    onLoad({ filter: /[\\/]undici[\\/]lib[\\/]dispatcher[\\/]client-h2\.js$/ }, () => ({ contents, loader: 'js' }));
  },
};

function startOf({ outputs }: Metafile, name: string): string[] {
  const byName = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output]));
  const start = new Set<string>();
  const add = (file: string) => {
    if (start.has(file) || !byName.has(file)) return;
    start.add(file);
    for (const { path, kind } of byName.get(file)?.imports ?? []) if (kind === 'import-statement') add(basename(path));
  };
  add(name);
  return [...start];
}
