import { resolve } from 'node:path';
import { buildFunctions, functionNames as functions } from '../../package/build.ts';
import { sizesOf } from '../../package/table.ts';
import type { Bench, Program } from '../bench.ts';
import { atMost } from '../budget.ts';
import { contest, type Measured, medianOf } from '../contest.ts';
import { installedClients } from '../sdk-clients.ts';
import type { Section } from '../section.ts';
import { number, table, times, whole } from '../table.ts';

interface Answer {
  readonly ms: number;
}

/** What a function on AWS pays before its first line runs. */
export const coldStart: Section = {
  name: 'cold-start',
  async measure(bench) {
    const clients = installedClients(resolve(import.meta.dirname, '..', '..', '..')).map((client) => client.package);
    const alone = importOf(bench, 'sdk', `only ${clients.join(' and ')}`);
    const contenders = [alone, ...functions.map((name) => importOf(bench, name, `the function ${name}`))];
    const measured = await contest(contenders, bench.options.starts, (stdout) => JSON.parse(stdout) as Answer);
    const [sdk = Number.NaN, ...imports] = measured.map((one) => median(one) ?? Number.NaN);
    const sizes = (await buildFunctions()).map(sizesOf);
    return {
      title: `Cold start: import of a bundle, median of ${bench.options.starts} fresh processes`,
      table: table(
        ['bundle', 'ms', 'of the SDK alone', 'kB at the start', 'kB in all', 'kB of the zip'],
        [
          ...imports.map((ms, i) => {
            const { start = 0, all = 0, zip = 0 } = sizes[i] ?? {};
            return [functions[i] ?? '', number(ms), times(ms / sdk), ...[start, all, zip].map((n) => whole(n / 1000))];
          }),
          [alone.name, number(sdk), '', '', '', ''],
        ],
      ),
      budgets: imports.map((ms, i) => atMost(1.3, functions[i] ?? '', ms / sdk, times)),
      notes: ['The zip has the source maps, the config and the policies too.'],
    };
  },
};

function importOf(bench: Bench, program: Extract<Program, (typeof functions)[number]> | 'sdk', name: string) {
  return { name, command: bench.command('import-time', bench.module(program)) };
}

function median(measured: Measured<Answer>): number | undefined {
  return medianOf(measured, (run) => run.answer.ms);
}
