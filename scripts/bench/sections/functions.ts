import { readService } from '../../../test/support/service.ts';
import type { Bench } from '../bench.ts';
import { atMost } from '../budget.ts';
import { median } from '../contest.ts';
import {
  type FunctionName,
  type FunctionWorld,
  type Invoked,
  queueEvent,
  smallClusters,
  startFunctionWorld,
} from '../function-world.ts';
import type { Section } from '../section.ts';
import { number, table, times } from '../table.ts';

interface Row {
  readonly name: FunctionName;
  readonly what: (megabytes: number) => string;
  invoke(world: FunctionWorld, megabytes: number): Promise<Invoked>;
  /** Invocations in one process; default 1. */
  readonly times?: number;
}

const scanned = (source: string) => queueEvent({ version: 1, source, tick: 'NOW', part: 1 });

/** Runs of an instance that is long warm. */
const warmRuns = 200;

/** In this order: what one leaves another finds. */
const rows: readonly Row[] = [
  {
    name: 'schedule',
    what: () => '60 sources',
    invoke: (world) => world.invoke('schedule', { tick: 'NOW' }),
  },
  {
    name: 'scan',
    what: () => `${smallClusters} new reports of 40 vulnerabilities`,
    invoke(world) {
      world.refuseNext();
      return world.invoke('scan', scanned('s0'));
    },
  },
  {
    name: 'deliver',
    what: () => 'a message that was not taken',
    invoke(world) {
      const target = { source: 's0', clusterId: 'id-small-0', clusterName: 'small-0' };
      return world.invoke('deliver', queueEvent({ version: 1, targets: [target], attempt: 1 }));
    },
  },
  {
    name: 'gate',
    what: () => 'answered from what the scan found',
    invoke: (world) => world.invoke('gate', { source: 's0', cluster: 'small-1' }),
  },
  {
    name: 'scan',
    what: () => `${smallClusters} reports that are known, ${warmRuns} times in one process`,
    invoke: (world) => world.invoke('scan', scanned('s0'), warmRuns),
    times: warmRuns,
  },
  {
    name: 'scan',
    what: (megabytes) => `a new report of ${megabytes} MB`,
    invoke(world, megabytes) {
      world.enlargeNext(megabytes);
      return world.invoke('scan', scanned('s1'));
    },
  },
  {
    name: 'gate',
    what: (megabytes) => `a question that is new about a report of ${megabytes} MB`,
    invoke(world, megabytes) {
      world.enlargeNext(megabytes);
      return world.invoke('gate', { source: 's1', cluster: 'large', strict: true });
    },
  },
];

/** A whole CPU is had with so much memory. @see AWS Lambda, "Configure memory" */
const cpuMiB = 1769;
/** Of the memory of a function: the runtime of Lambda itself, and what a busy day brings, take from the rest. */
const share = 0.75;

/** What the functions take, to set memory and time-outs by. */
export const functions: Section = {
  name: 'functions',
  async measure(bench) {
    const megabytes = bench.options.megabytes / 2;
    const service = readService();
    const runs: Invoked[][] = rows.map(() => []);
    for (let run = 0; run < bench.options.runs; run++) {
      for (const [i, invoked] of (await runAll(bench, megabytes)).entries()) runs[i]?.push(invoked);
    }
    const measured = rows.map(({ name, what, times: invocations = 1 }, i) => {
      const of = (figure: (run: Invoked) => number | undefined) => median((runs[i] ?? []).map(figure));
      const memoryMiB = service.memoryOf(name);
      const cpuSeconds = of(({ cpuMs }) => cpuMs && cpuMs / 1000 / invocations);
      return {
        title: `\`${name}\`: ${what(megabytes)}`,
        memoryMiB,
        peakMiB: of(({ peakMiB }) => peakMiB),
        heapMiB: of(({ heapMiB }) => heapMiB),
        cpuSeconds,
        seconds: cpuSeconds && cpuSeconds * Math.max(1, cpuMiB / memoryMiB),
        timeout: service.timeoutOf(name),
      };
    });
    return {
      title: 'The functions on AWS, each in a new process',
      table: table(
        ['function', 'memory MiB', 'peak MiB', 'of it heap', 'CPU seconds', 'seconds at its share', 'time-out'],
        measured.map((one) => [
          one.title,
          `${one.memoryMiB}`,
          number(one.peakMiB),
          number(one.heapMiB),
          number(one.cpuSeconds),
          number(one.seconds),
          `${one.timeout}`,
        ]),
      ),
      budgets: measured.map(({ title, memoryMiB, peakMiB }) =>
        atMost(share, `${title}, of its memory`, peakMiB && peakMiB / memoryMiB, times),
      ),
      notes: [
        `Memory and time-outs are those of serverless.yml. Lambda gives a whole CPU with ${cpuMiB} MB, and a share of it with less: the seconds are what the CPU time is stretched to, without waiting for HSS. Here memory is plenty, and V8 takes its time to collect what is not needed any more.`,
      ],
    };
  },
};

async function runAll(bench: Bench, megabytes: number): Promise<Invoked[]> {
  const world = await startFunctionWorld(bench);
  try {
    const invoked: Invoked[] = [];
    for (const row of rows) invoked.push(await row.invoke(world, megabytes));
    return invoked;
  } finally {
    await world.close();
  }
}
