import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { zip } from '../../scripts/package/zip.ts';

async function unzip(archive: Buffer) {
  const file = await fromBufferPromise(archive, { lazyEntries: true });
  const entries: { path: string; bytes: Buffer; crc32: number; mode: number; date: string }[] = [];
  for await (const entry of file.eachEntry()) {
    entries.push({
      path: entry.fileName,
      bytes: await buffer(await file.openReadStreamPromise(entry)),
      crc32: entry.crc32,
      mode: entry.externalFileAttributes >>> 16,
      date: entry.getLastModDate({ timezone: 'UTC' }).toISOString(),
    });
  }
  return entries;
}

test('what goes in comes out, in the order of its names, readable for Lambda and without a date', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.stringMatching(/^[a-zé]{1,9}(\/[a-z]{1,9})?$/), fc.uint8Array()),
      async (files) => {
        const entries = await unzip(zip(new Map(Object.entries(files))));
        expect(entries).toEqual(
          Object.keys(files)
            .sort()
            .map((path) => {
              const bytes = Buffer.from(files[path] ?? []);
              return { path, bytes, crc32: crc32(bytes), mode: 0o100644, date: '1980-01-01T00:00:00.000Z' };
            }),
        );
      },
    ),
    { numRuns: 50 },
  );
});

test('the same files give the same bytes, in whatever order they come', () => {
  const files = ['a.mjs', 'b.mjs', 'policies/c.yaml'].map((path) => [path, Buffer.from(path.repeat(99))] as const);
  expect(zip(new Map(files)).equals(zip(new Map(files.toReversed())))).toBe(true);
});
