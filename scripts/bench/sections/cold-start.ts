import { resolve } from 'node:path';
import type { Bench, Program } from '../bench.ts';
import { atMost } from '../budget.ts';
import { contest, type Measured, medianOf } from '../contest.ts';
import { installedClients } from '../sdk-clients.ts';
import type { Section } from '../section.ts';
import { number, table, times } from '../table.ts';

interface Answer {
  readonly ms: number;
}

/** What a function on AWS pays before its first line runs. */
export const coldStart: Section = {
  name: 'cold-start',
  async measure(bench) {
    const clients = installedClients(resolve(import.meta.dirname, '..', '..', '..')).map((client) => client.package);
    const contenders = [
      importOf(bench, 'gate', 'the gate function'),
      importOf(bench, 'scan', 'the scan function'),
      importOf(bench, 'sdk', `only ${clients.join(' and ')}`),
    ];
    const measured = await contest(contenders, bench.options.starts, (stdout) => JSON.parse(stdout) as Answer);
    const [gate, scan, sdk] = measured.map(median) as [number, number, number];
    return {
      title: `Cold start: import of a bundle, median of ${bench.options.starts} fresh processes`,
      table: table(
        ['bundle', 'ms', 'of the SDK alone'],
        [
          ['gate', number(gate), times(gate / sdk)],
          ['scan', number(scan), times(scan / sdk)],
          [contenders[2]?.name ?? '', number(sdk), ''],
        ],
      ),
      budgets: [atMost(1.3, 'gate', gate / sdk, times), atMost(1.3, 'scan', scan / sdk, times)],
      notes: [],
    };
  },
};

function importOf(bench: Bench, program: Extract<Program, 'gate' | 'scan'> | 'sdk', name: string) {
  return { name, command: bench.command('import-time', bench.module(program)) };
}

function median(measured: Measured<Answer>): number | undefined {
  return medianOf(measured, (run) => run.answer.ms);
}
