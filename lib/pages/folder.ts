import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ObjectError } from '../app/objects.ts';
import type { PageWriter } from '../app/pages.ts';
import { errorWord } from '../core/text.ts';

/** Pages in a folder, which is made where it is not there. A page appears whole. */
export function openFolder(folder: string): PageWriter {
  return {
    async write(key, page) {
      const file = join(folder, key);
      const fresh = `${file}.${process.pid}.new`;
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(fresh, page);
        await rename(fresh, file);
      } catch (error) {
        await rm(fresh, { force: true }).catch(() => {});
        throw new ObjectError('refused', errorWord((error as NodeJS.ErrnoException).code) ?? 'error');
      }
    },
    close() {},
  };
}
