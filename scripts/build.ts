import { InputError } from '../lib/core/errors.ts';
import { buildAll } from './package/build.ts';
import { sizeTable } from './package/table.ts';

try {
  process.stdout.write(sizeTable(await buildAll()));
} catch (error) {
  if (!(error instanceof InputError)) throw error;
  process.stderr.write(`build: ${error.message}\n`);
  process.exitCode = 3;
}
