import { causes } from '../lib/core/told.ts';

/**
 * What a month on AWS costs, by the number of clusters: `node scripts/cost.ts 1 10 500`. The assumptions stand in
 * `usage`, and in words in docs/operations.md.
 */

/** US dollars, list prices of us-east-1 as published in early 2026. */
const price = {
  lambdaGbSecond: 0.0000133334, // arm64
  lambdaRequest: 0.2e-6,
  sqsStandard: 0.4e-6,
  sqsFifo: 0.5e-6,
  dynamoRead: 0.125e-6, // 4 KB
  dynamoWrite: 0.625e-6, // 1 KB
  dynamoGbMonth: 0.25 + 0.2, // and point-in-time recovery
  kmsCall: 3e-6,
  metricMonth: 0.3,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  logsGb: 0.5,
  secretMonth: 0.4,
  secretCall: 5e-6,
  schedulerCall: 1e-6,
};

const days = 365 / 12;
const runs = days * 24; // rate(1 hour)
const gatesPerClusterAndDay = 4;
/** 16 of each stage and 7 of its gate, 2 for each of two receivers, one for each reason why an alert is told. */
const metrics = 16 + 7 + 2 * 2 + causes.length;

/** What is used in a month: quantity and price of each. */
function usage(clusters: number): ReadonlyMap<string, number> {
  const reports = clusters * days; // HSS checks each once a day
  const gates = clusters * days * gatesPerClusterAndDay;
  // A new report waits its turn: HSS allows 5 calls a minute.
  const scanSeconds = runs * (2 + 0.01 * clusters) + reports * 12;
  // Two queues, at each of which Lambda asks with five calls of 20 seconds, all the time.
  const polls = (days * 86_400 * 5) / 20;
  return new Map([
    ['scan: time', scanSeconds * 0.5 * price.lambdaGbSecond],
    ['gate: time', gates * 1 * price.lambdaGbSecond],
    ['schedule: time', runs * 1 * 0.25 * price.lambdaGbSecond],
    ['functions: calls', (runs * 2 + gates) * price.lambdaRequest],
    ['table: reads', (runs * (3 * clusters + 30) + reports + gates * 3) * price.dynamoRead],
    ['table: writes', (runs * 4 + reports * 16) * price.dynamoWrite],
    ['table: storage', ((clusters * 20) / 1e6) * price.dynamoGbMonth],
    // By every instance at first, and after five minutes again; here each invocation is one.
    ['table: its key', (runs * 2 + gates + scanSeconds / 300) * price.kmsCall],
    ['queues', polls * (price.sqsFifo + price.sqsStandard) + runs * 3 * price.sqsFifo],
    ['schedule: calls', runs * price.schedulerCall],
    ['logs', (((runs * 2 + gates) * 4) / 1e6) * price.logsGb],
    ['secrets', 2 * price.secretMonth + (runs * 4 + gates) * price.secretCall],
    [`${metrics} metrics`, metrics * price.metricMonth],
    ['12 alarms', 12 * price.alarmMonth],
    ['dashboard', price.dashboardMonth],
  ]);
}

const asked = process.argv.slice(2).map(Number);
if (asked.length === 0 || asked.some((clusters) => !Number.isInteger(clusters) || clusters < 1)) {
  console.error('usage: node scripts/cost.ts CLUSTERS ...');
  process.exit(3);
}
const columns = asked.map(usage);
const names = [...(columns[0]?.keys() ?? [])];
const row = (name: string, cells: readonly string[]) =>
  name.padEnd(18) + cells.map((cell) => cell.padStart(10)).join('');
const money = (amount: number) => amount.toFixed(2);

console.log(
  row(
    'US$ a month for',
    asked.map((clusters) => `${clusters}`),
  ),
);
for (const name of names)
  console.log(
    row(
      name,
      columns.map((column) => money(column.get(name) ?? 0)),
    ),
  );
console.log(
  row(
    'together',
    columns.map((column) => money([...column.values()].reduce((a, b) => a + b, 0))),
  ),
);
