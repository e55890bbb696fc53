import { crc32, deflateRawSync } from 'node:zlib';

/** A file in an archive: its path with slashes, and its bytes. */
export type Files = ReadonlyMap<string, Uint8Array>;

/** 1980-01-01, the first day a zip file knows. */
const date = 0x0021;
const utf8 = 0x0800;
const deflated = 8;
const version = 20;
/** Made on Unix, so that the mode counts. */
const madeBy = (3 << 8) | version;
/** A regular file, rw-r--r--. */
const attributes = (0o100644 << 16) >>> 0;

/** A zip file. The same files give the same bytes, whatever their order, dates and owners. */
export function zip(files: Files): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [path, bytes] of sorted) {
    const name = Buffer.from(path);
    const packed = deflateRawSync(bytes, { level: 9 });
    const common = fields([
      [2, version],
      [2, utf8],
      [2, deflated],
      [2, 0],
      [2, date],
      [4, crc32(bytes)],
      [4, packed.length],
      [4, bytes.length],
      [2, name.length],
      [2, 0],
    ]);
    const header = Buffer.concat([fields([[4, 0x04034b50]]), common, name]);
    const rest: Field[] = [
      [2, 0],
      [2, 0],
      [2, 0],
      [4, attributes],
      [4, offset],
    ];
    central.push(
      fields([
        [4, 0x02014b50],
        [2, madeBy],
      ]),
      common,
      fields(rest),
      name,
    );
    local.push(header, packed);
    offset += header.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = fields([
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, files.size],
    [2, files.size],
    [4, directory.length],
    [4, offset],
    [2, 0],
  ]);
  return Buffer.concat([...local, directory, end]);
}

/** Length in bytes, and the number. */
type Field = readonly [2 | 4, number];

function fields(list: readonly Field[]): Buffer {
  const bytes = Buffer.alloc(list.reduce((sum, [length]) => sum + length, 0));
  let at = 0;
  for (const [length, value] of list) at = bytes.writeUIntLE(value, at, length);
  return bytes;
}
