import { gzipSync } from 'node:zlib';
import type { Built } from './build.ts';

/** In bytes, without source maps: what is loaded at the start, and all; as it is and packed. */
export function sizesOf({ files, start, zip }: Built) {
  const code = [...files.keys()].filter((name) => name.endsWith('.mjs'));
  const bytes = (names: readonly string[]) => sum(names.map((name) => files.get(name)?.length ?? 0));
  const gzip = (names: readonly string[]) => sum(names.map((name) => gzipSync(files.get(name) ?? '').length));
  return { start: bytes(start), startGzip: gzip(start), all: bytes(code), allGzip: gzip(code), zip: zip?.length ?? 0 };
}

export function sizeTable(builds: readonly Built[]): string {
  const rows = builds.map((built) => [built.path, ...Object.values(sizesOf(built))]);
  const table = [
    ['bundle', 'start', 'gzip', 'all', 'gzip', 'zip'],
    ...rows.map((row) => row.map((cell) => (typeof cell === 'number' ? cell.toLocaleString('en-US') : cell))),
  ].map((row) => row.map((cell) => (cell === '0' ? '-' : cell)));
  const widths = table[0]?.map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0))) ?? [];
  return table
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))))
    .map((row) => `${row.join('  ')}\n`)
    .join('');
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
