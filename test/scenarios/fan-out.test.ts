import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { deliverAgain } from '../../functions/deliver.ts';
import { createInstance, type Instance } from '../../functions/instance.ts';
import { retryMessages } from '../../functions/messages.ts';
import type { RunMetrics } from '../../functions/metrics.ts';
import { scanSource, takeSource } from '../../functions/scan.ts';
import { schedule } from '../../functions/schedule.ts';
import { defaultTimeouts } from '../../lib/notifiers/attempts.ts';
import type { SimulatedCluster } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { type Receiver, startReceiver } from '../../lib/simulator/receivers.ts';
import { buildReport } from '../../lib/simulator/reports.ts';
import { lineLogging } from '../support/logging.ts';
import { type Queues, startQueues } from '../support/queues.ts';
import { startSecretsManager } from '../support/secrets-manager.ts';
import { mostInAMinute } from '../support/spacing.ts';
import { worldPolicy } from '../support/world.ts';

const startMs = Date.UTC(2026, 10, 24, 6);
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const projectId = '0605768a2d80d5d52f91c00b7a6c1234';

interface Source {
  readonly name: string;
  readonly key: number;
  readonly hss: Hss;
}

let queues: Queues;
let chat: Receiver;
let folder: string;
let sources: Source[] = [];
let instance: Instance;
let lines: string[];
let metrics: RunMetrics & { readonly added: Map<string, number> };

beforeEach(async () => {
  // One clock for the queues, HSS and the functions; waits let it leap.
  vi.useFakeTimers({ now: startMs, toFake: ['Date'] });
  [queues, chat, folder] = await Promise.all([
    startQueues(),
    startReceiver(),
    mkdtemp(join(tmpdir(), 'portcullis-fan-out-')),
  ]);
  for (const [name, value] of Object.entries(queues.env)) vi.stubEnv(name, value);
  lines = [];
  const added = new Map<string, number>();
  metrics = { added, add: (name, value) => added.set(name, (added.get(name) ?? 0) + value), addOf() {}, publish() {} };
});
afterEach(async () => {
  await (await instance.app()).close();
  await Promise.all([queues.close(), chat.close(), ...sources.map(({ hss }) => hss.close())]);
  await rm(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

const clock = {
  nowMs: () => Date.now(),
  async sleep(ms: number) {
    vi.setSystemTime(Date.now() + ms);
  },
};

function clusterOf(source: string, i: number): SimulatedCluster {
  const name = `${source}-c${i}`;
  const id = `id-${name}`;
  const rows = { vulnerabilities: 2, baselineChecks: 1, privilegedContainers: 1, ports: 1, packages: 1, processes: 1 };
  const report = buildReport({
    clusterId: id,
    clusterName: name,
    category: 'CCE',
    scannedAtMs: startMs - hourMs,
    seed: name,
    rows,
    ...(i % 4 === 0 ? { levels: ['High'] as const } : { clean: true }),
  });
  return { id, name, category: 'CCE', enterpriseProjectId: '0', reports: [{ id: `report-${name}`, report }] };
}

/** @param keys how many access keys the sources share */
async function start(
  count: number,
  clusters: (i: number) => number,
  keys: number,
  more = '',
  around: Readonly<Record<string, string>> = {},
): Promise<void> {
  sources = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const name = `s${String(i).padStart(2, '0')}`;
      const key = i % keys;
      const hss = await startHss({
        clusters: Array.from({ length: clusters(i) }, (_, n) => clusterOf(name, n)),
        credentials: { ak: `AK${String(key).padStart(18, '0')}`, sk: `secret ${key}` },
        projectId,
        nowMs: () => Date.now(),
        limitPerMinute: 5,
      });
      return { name, key, hss };
    }),
  );
  const config = `version: 1
sources:
${sources.map(({ name, key, hss }) => `  - {name: ${name}, region: ap-southeast-1, project_id: ${projectId}, credentials: 'env://KEY${key}', endpoint: '${hss.url}', iam_endpoint: '${hss.url}', policy: production.yaml}`).join('\n')}
receivers:
  - {name: chat, webhook: {url: '${chat.url}/in'}, insecure: true}
routes: [{receivers: [chat]}]
state: sqlite:state.db
${more}`;
  await writeFile(join(folder, 'portcullis.yaml'), config);
  await writeFile(join(folder, 'production.yaml'), worldPolicy);
  const secrets = Array.from({ length: keys }, (_, key) => [
    [`KEY${key}_AK`, `AK${String(key).padStart(18, '0')}`],
    [`KEY${key}_SK`, `secret ${key}`],
  ]);
  const env = { ...Object.fromEntries(secrets.flat()), LAMBDA_TASK_ROOT: folder, ...around };
  instance = createInstance(
    env,
    lineLogging((line) => lines.push(line)),
    { clock },
  );
}

/** 15 minutes from now, as Lambda counts them. */
function invocation(ms = 15 * minuteMs) {
  const endMs = Date.now() + ms;
  return { awsRequestId: 'r-1', getRemainingTimeInMillis: () => Math.max(0, endMs - Date.now()) };
}

const scanQueues = () => ({ sources: queues.open(queues.sourcesUrl), retries: queues.open(queues.retriesUrl) });

async function tick(): Promise<void> {
  const given = {
    sources: queues.open(queues.sourcesUrl),
    deadLetters: queues.open(queues.deadLettersUrl),
    retries: queues.open(queues.retriesUrl),
    deadLettersUrl: queues.deadLettersUrl,
  };
  await schedule({ tick: new Date(Date.now()).toISOString() }, invocation(2 * minuteMs), instance, given);
}

interface Worked {
  /** Messages, by source. */
  readonly bodies: string[];
  readonly failed: number;
}

/** Work the queue until there is nothing more to be had, one message after the other. */
async function drain(limitMs = 15 * minuteMs): Promise<Worked> {
  const bodies: string[] = [];
  let failed = 0;
  for (;;) {
    const record = await queues.receive(queues.sourcesUrl);
    if (record === undefined) return { bodies, failed };
    bodies.push(record.body);
    try {
      await takeSource(record, invocation(limitMs), instance, scanQueues(), metrics);
      await queues.delete(queues.sourcesUrl, record);
    } catch {
      failed++;
    }
  }
}

/** Another one, which is told all. */
async function addReceiver(url: string): Promise<void> {
  const config = join(folder, 'portcullis.yaml');
  const text = await readFile(config, 'utf8');
  const other = `  - {name: other, webhook: {url: '${url}'}, insecure: true}\nroutes: [{receivers: [chat, other]}]`;
  await writeFile(config, text.replace('routes: [{receivers: [chat]}]', other));
}

const calls = (api: string) => sources.flatMap(({ hss }) => hss.calls.filter((call) => call.api === api)).length;
const spacing = () =>
  mostInAMinute(sources.flatMap(({ key, hss }) => hss.calls.map(({ api, atMs }) => ({ lane: `${key} ${api}`, atMs }))));
const told = () => chat.received.map(({ text }) => text).join('\n');

test('sources go on where the time ran out, without another look at what was seen', async () => {
  await start(2, () => 30, 1);
  await tick();
  // Time for a handful of reports in each invocation.
  const { bodies } = await drain(6 * minuteMs);
  const parts = bodies.map((body) => JSON.parse(body)).map(({ source, part }) => `${source} ${part}`);
  expect(parts.length).toBeGreaterThan(4);
  expect(new Set(parts).size).toBe(parts.length);
  expect([calls('list'), calls('report')]).toEqual([2, 60]);
  // A part of a source is no scan of it: only the last one of each counts.
  expect(metrics.added.get('ScanSucceeded')).toBe(2);
  expect(spacing()).toBeLessThanOrEqual(5);
  for (let i = 0; i < 30; i += 4) expect(told().includes(`s01-c${i}`), `s01-c${i}`).toBe(true);
}, 60_000);

test('a source for which there is never time is given up after three tries, and does not go round for ever', async () => {
  await start(1, () => 3, 1);
  await tick();
  const seen: string[] = [];
  for (let attempt = 0; attempt < 10; attempt++) {
    const record = await queues.receive(queues.sourcesUrl);
    if (record === undefined) break;
    seen.push(record.body);
    // Less than a cluster may take is left when HSS has been asked for the list.
    await takeSource(record, invocation(2 * minuteMs), instance, scanQueues(), metrics).then(
      () => queues.delete(queues.sourcesUrl, record),
      (error: Error) => expect(error.message).toContain('exit code 2: there was no time for any cluster'),
    );
    vi.setSystemTime(Date.now() + 6 * minuteMs);
  }
  expect(new Set(seen).size).toBe(1);
  expect(seen).toHaveLength(3);
  expect(await queues.receive(queues.sourcesUrl)).toBeUndefined();
  expect(await queues.depth(queues.deadLettersUrl)).toBe(1);
  expect([metrics.added.get('ScanFailed'), calls('report')]).toEqual([3, 0]);
  await tick();
  expect(told()).toContain('message of s00');
  // Where there is time again all of it is looked at.
  await drain();
  expect(calls('report')).toBe(3);
});

test.each([
  // What is invalid is not mended by waiting, and holds up the others of its key no longer than it has to.
  { what: 'is invalid', body: { version: 0 }, code: 3, asked: [60, 0, 0] },
  { what: 'cannot be worked', body: undefined, code: 4, asked: [60, 300, 0] },
])('a message that $what is given back after $asked seconds', async ({ body, code, asked }) => {
  await start(1, () => 1, 1);
  const message = body ?? { version: 1, source: sources[0]?.name, tick: new Date(Date.now()).toISOString(), part: 1 };
  await queues.open(queues.sourcesUrl).send(message, { group: 'key', once: 'bad' });
  await queues.open(queues.sourcesUrl).send({ version: 0 }, { group: 'key', once: 'behind it' });
  const given = scanQueues();
  const waited: unknown[] = [];
  const giveBack = (handle: string, seconds: number) => {
    waited.push(seconds);
    return given.sources.giveBack(handle, 0);
  };
  const broken = { ...instance, app: () => Promise.reject(new Error('it does not start')) };
  for (let receive = 0; receive < 3; receive++) {
    const record = (await queues.receive(queues.sourcesUrl)) as NonNullable<Awaited<ReturnType<typeof queues.receive>>>;
    expect(JSON.parse(record.body)).toEqual(message);
    // Meanwhile nothing else of its key is worked.
    expect(await queues.receive(queues.sourcesUrl)).toBeUndefined();
    const work = { ...given, sources: { ...given.sources, giveBack } };
    const worked = takeSource(record, invocation(), code === 3 ? instance : broken, work, metrics);
    await expect(worked).rejects.toThrow(`exit code ${code}`);
  }
  expect(waited).toEqual(asked);
  // Where that cannot be done the failure is the same.
  const cannot = { ...given.sources, giveBack: () => Promise.reject(new Error('AccessDenied')) };
  const record = { body: '{}', receiptHandle: 'r' };
  const undone = takeSource(record, invocation(), instance, { ...given, sources: cannot }, metrics);
  await expect(undone).rejects.toThrow('exit code 3');
  expect(lines.join()).toContain('message not given back at once');
});

test('a delivery that fails is asked for once, however often it is scanned meanwhile, and goes on until it is taken', async () => {
  await start(1, () => 1, 1);
  const sent: { attempt: number }[] = [];
  const retries = { ...scanQueues().retries, send: async (body: unknown) => void sent.push(body as never) };
  const work = (minutes: number) => {
    vi.setSystemTime(startMs + minutes * minuteMs);
    const message = { version: 1, source: sources[0]?.name, tick: new Date(Date.now()).toISOString(), part: 1 };
    chat.script.push({ status: 404 });
    return scanSource(JSON.stringify(message), invocation(), instance, { ...scanQueues(), retries }, metrics);
  };
  for (let tick = 0; tick < 4; tick++) await work(5 * tick);
  expect(sent).toMatchObject([{ attempt: 1, targets: [{ source: sources[0]?.name }] }]);
  for (let attempt = 1; attempt < 20; attempt++) {
    chat.script.push({ status: 404 });
    await deliverAgain(JSON.stringify(sent.at(-1)), invocation(), instance, retries, metrics);
    expect(sent.at(-1)).toMatchObject({ attempt: attempt + 1 });
  }
  const count = sent.length;
  await deliverAgain(JSON.stringify(sent.at(-1)), invocation(), instance, retries, metrics);
  expect(sent).toHaveLength(count);
});

/** The chain of retries: its messages as they come, each after as long as it waits, until there are no more. */
async function retriesUntilTaken(most = 20): Promise<{ attempt: number }[]> {
  const worked: { attempt: number }[] = [];
  while (worked.length < most) {
    vi.setSystemTime(Date.now() + 16 * minuteMs);
    const record = await queues.receive(queues.retriesUrl);
    if (record === undefined) break;
    worked.push(JSON.parse(record.body));
    await deliverAgain(record.body, invocation(5 * minuteMs), instance, queues.open(queues.retriesUrl), metrics);
    await queues.delete(queues.retriesUrl, record);
  }
  return worked;
}

test('a run that dies before it has asked for a delivery to be tried again is done again, and then that is asked for, once', async () => {
  await start(1, () => 3, 1);
  for (let i = 0; i < 9; i++) chat.script.push({ status: 404 });
  await tick();
  const record = await queues.receive(queues.sourcesUrl);
  // From there on nothing of it is done any more.
  const dead = { send: () => Promise.reject(new Error('killed')), giveBack: () => Promise.reject(new Error('killed')) };
  const dying = { sources: { ...scanQueues().sources, ...dead }, retries: { ...scanQueues().retries, ...dead } };
  if (record === undefined) throw new Error('no message');
  await expect(takeSource(record, invocation(), instance, dying, metrics)).rejects.toThrow('exit code 4');
  expect([calls('report'), await queues.hidden(queues.retriesUrl)]).toEqual([3, 0]);

  vi.setSystemTime(Date.now() + 17 * minuteMs);
  expect(await drain()).toMatchObject({ bodies: [record.body], failed: 0 });
  expect([calls('report'), await queues.hidden(queues.retriesUrl)]).toEqual([3, 1]);
  // Later scans do not ask again.
  for (let i = 0; i < 2; i++) {
    vi.setSystemTime(Date.now() + minuteMs);
    await tick();
    await drain();
  }
  expect((await queues.hidden(queues.retriesUrl)) + (await queues.depth(queues.retriesUrl))).toBe(1);
  chat.script.length = 0;
  expect(await retriesUntilTaken()).toMatchObject([{ attempt: 1 }]);
  expect(chat.received.at(-1)?.status).toBe(200);
}, 60_000);

test('what a run was sending when it died is tried again within minutes', async () => {
  await start(1, () => 1, 1);
  const store = await (await instance.app()).store();
  const claim = { id: 'i', message: 'm', untilMs: startMs + 5 * minuteMs };
  await store.put('cluster/s00/id-s00-c0', { key: 'log/chat', value: { claim } }, 0, startMs);
  await tick();
  await drain();
  expect(chat.received).toHaveLength(0);
  expect(await retriesUntilTaken()).toMatchObject([{ attempt: 1 }]);
  expect(told()).toContain('s00-c0');
});

test('whatever keeps a message from being worked is in the log', async () => {
  await start(1, () => 2, 1);
  const work = (body: string, given = scanQueues()) => scanSource(body, invocation(), instance, given, metrics);
  await expect(work('{"x":1}')).rejects.toThrow('exit code 3');
  expect(lines.at(-1)).toContain('the message is none of ours');
  expect(metrics.added.get('ScanFailed')).toBe(1);
  const denied = { send: () => Promise.reject(new Error('AccessDenied')) };
  chat.script.push({ status: 404 });
  const body = JSON.stringify({
    version: 1,
    source: sources[0]?.name,
    tick: new Date(Date.now()).toISOString(),
    part: 1,
  });
  await expect(work(body, { ...scanQueues(), retries: denied as never })).rejects.toThrow('exit code 4');
  expect(lines.at(-1)).toContain('internal error');
  expect(lines.at(-1)).toContain(sources[0]?.name);
  const config = join(folder, 'portcullis.yaml');
  const good = await readFile(config, 'utf8');
  await writeFile(config, 'version: 1\nsources: []\n');
  await expect(work(body)).rejects.toThrow('exit code 3');
  expect(lines.at(-1)).toContain('needs a source');
  await writeFile(config, good);
});

test('every source with dead letters is told, and what cannot be seen of them is not taken for gone', async () => {
  await start(12, () => 1, 12);
  const dead = queues.open(queues.deadLettersUrl);
  const letter = (source: string, n: number, group: string) =>
    dead.send(
      { version: 1, source, tick: new Date(Date.now()).toISOString(), part: n },
      { group, once: `${source}${n}` },
    );
  for (const { name, key } of sources) await letter(name, 1, `group ${key}`);
  await tick();
  const poisoned = () => [...told().matchAll(/message of (s\d+)/g)].map(([, name]) => name);
  expect(new Set(poisoned())).toEqual(new Set(sources.map(({ name }) => name)));
  expect(await queues.depth(queues.deadLettersUrl)).toBe(12);

  // Ten letters of one source hold back what is behind them in their group.
  for (let n = 2; n <= 12; n++) await letter('s00', n, 'group 0');
  const before = chat.received.length;
  vi.setSystemTime(Date.now() + hourMs);
  await tick();
  const since = chat.received.slice(before).map(({ text }) => text);
  expect(since.join('\n')).toContain('more messages');
  expect(since.join('\n')).not.toContain('"resolved"');
}, 60_000);

test('a dead letter of a source that was scanned since is gone, and that is told', async () => {
  await start(2, () => 2, 2);
  const dead = queues.open(queues.deadLettersUrl);
  for (const { name } of sources) {
    const letter = { version: 1, source: name, tick: new Date(Date.now() - minuteMs).toISOString(), part: 1 };
    await dead.send(letter, { group: name, once: name });
  }
  await tick();
  expect(await queues.depth(queues.deadLettersUrl)).toBe(2);
  expect(told()).toContain('message of s00');
  // One source is scanned as a whole, the other one cannot be.
  sources[1]?.hss.fail({ kind: 'status', status: 403 }, { api: 'list', times: 9 });
  await drain();
  vi.setSystemTime(Date.now() + hourMs);
  const before = chat.received.length;
  await tick();
  expect(await queues.depth(queues.deadLettersUrl)).toBe(1);
  const since = chat.received.slice(before).map(({ text }) => text);
  const over = (name: string) =>
    since.filter((text) => text.includes(`message of ${name}`) && text.includes('"resolved"'));
  expect([over('s00').length, over('s01').length]).toEqual([1, 0]);
});

test('a dead letter that is moved back after a later scan has made it good counts as no scan', async () => {
  await start(1, () => 2, 1);
  const letter = (atMs: number) =>
    JSON.stringify({ version: 1, source: 's00', tick: new Date(atMs).toISOString(), part: 1 });
  const work = (body: string) => scanSource(body, invocation(), instance, scanQueues(), metrics);
  await work(letter(startMs));
  vi.setSystemTime(startMs + 10 * minuteMs);
  await work(letter(startMs - hourMs));
  expect([metrics.added.get('ScanSucceeded'), calls('list')]).toEqual([1, 1]);
  expect(lines.at(-1)).toContain('a later scan of the source has made it good');
  // The same message once more is a duplicate as ever.
  await work(letter(startMs));
  expect([metrics.added.get('ScanSucceeded'), calls('list'), calls('report')]).toEqual([2, 1, 2]);
});

test('a source whose letter lay behind others for weeks is told to be gone when it is', async () => {
  await start(1, () => 1, 1);
  const app = await instance.app();
  const startMs = Date.now();
  const tell = (day: number, sources: readonly string[], isWhole: boolean) =>
    app.tellPoisoned(sources, 'aws sqs', isWhole, startMs + day * 24 * hourMs);
  await tell(0, ['s-behind', 's-before'], true);
  for (const day of [10, 20, 30, 40]) await tell(day, ['s-before'], false);
  const before = chat.received.length;
  await tell(41, ['s-before'], true);
  const since = chat.received.slice(before).map(({ text }) => text);
  expect(since.filter((text) => text.includes('message of s-behind') && text.includes('"resolved"'))).toHaveLength(1);
});

test('of dead letters that a receiver does not take word of it hears within minutes', async () => {
  await start(1, () => 1, 1);
  const dead = queues.open(queues.deadLettersUrl);
  const letter = { version: 1, source: sources[0]?.name, tick: new Date(Date.now()).toISOString(), part: 1 };
  await dead.send(letter, { group: 'group', once: 'letter' });
  for (let i = 0; i < 4; i++) chat.script.push({ status: 503 });
  await tick();
  vi.setSystemTime(Date.now() + 3 * minuteMs);
  const record = await queues.receive(queues.retriesUrl);
  await deliverAgain(record?.body ?? '', invocation(5 * minuteMs), instance, queues.open(queues.retriesUrl), metrics);
  const taken = chat.received.filter(({ status }) => status === 200);
  expect(taken.map(({ text }) => text).join()).toContain(`message of ${sources[0]?.name}`);
});

test('of dead letters that nobody can see just now what is owed is told all the same', async () => {
  await start(1, () => 1, 1);
  const letter = { version: 1, source: sources[0]?.name, tick: new Date(Date.now()).toISOString(), part: 1 };
  await queues.open(queues.deadLettersUrl).send(letter, { group: 'group', once: 'letter' });
  for (let i = 0; i < 4; i++) chat.script.push({ status: 503 });
  await tick();
  expect(await queues.receive(queues.deadLettersUrl)).toBeDefined();
  const before = chat.received.length;
  await tick();
  const since = chat.received.slice(before).map(({ text }) => text);
  expect(since.join()).toContain(`message of ${sources[0]?.name}`);
  expect(since.join()).not.toContain('more messages');
});

test('dead letters are told though the secret of another receiver is gone', async () => {
  await start(1, () => 1, 1);
  await addReceiver('env://GONE');
  const dead = queues.open(queues.deadLettersUrl);
  const letter = { version: 1, source: sources[0]?.name, tick: new Date(Date.now()).toISOString(), part: 1 };
  await dead.send(letter, { group: 'group', once: 'letter' });
  await tick();
  expect(told()).toContain(`message of ${sources[0]?.name}`);
});

test('a receiver whose secret is gone keeps no source from being scanned, and is told when it is back', async () => {
  const other = await startReceiver();
  const stored: Record<string, string> = {};
  const manager = await startSecretsManager(stored);
  const settle = async () => {
    const record = await queues.receive(queues.retriesUrl);
    if (record === undefined) return false;
    await deliverAgain(record.body, invocation(5 * minuteMs), instance, queues.open(queues.retriesUrl), metrics);
    await queues.delete(queues.retriesUrl, record);
    return true;
  };
  try {
    await start(2, () => 5, 2, '', { AWS_ENDPOINT_URL_SECRETS_MANAGER: manager.url });
    await addReceiver('aws-sm://gone');
    await tick();
    expect(await drain()).toMatchObject({ bodies: { length: 2 }, failed: 0 });
    expect([await queues.depth(queues.sourcesUrl), await queues.hidden(queues.sourcesUrl)]).toEqual([0, 0]);
    expect(await queues.depth(queues.deadLettersUrl)).toBe(0);
    for (const name of ['s00-c0', 's00-c4', 's01-c0', 's01-c4']) expect(told()).toContain(name);
    const log = lines.map((line) => JSON.parse(line));
    const reason = /^aws-sm:\/\/gone: cannot be fetched \(ResourceNotFoundException\)/;
    expect(log.find(({ msg }) => msg === 'secret not readable')).toMatchObject({
      level: 'error',
      of: 'receiver other',
      reasons: [expect.stringMatching(reason)],
    });
    expect(log.filter(({ msg }) => msg === 'scan done')).toMatchObject([
      { level: 'error', exitCode: 3, clusters: 5 },
      { level: 'error', exitCode: 3, clusters: 5 },
    ]);
    // Once in each run, whatever it is owed.
    expect(manager.asked).toEqual(['gone', 'gone']);
    const owed = log.flatMap(({ msg, receiver, id }) => (msg === 'not delivered' && receiver === 'other' ? [id] : []));
    expect(owed.length).toBeGreaterThanOrEqual(2);

    vi.setSystemTime(Date.now() + 3 * minuteMs);
    while (await settle());
    expect(manager.asked).toHaveLength(4);
    expect(lines.at(-1)).toContain('aws-sm://gone');
    const before = chat.received.length;
    stored.gone = `${other.url}/in`;
    vi.setSystemTime(Date.now() + 5 * minuteMs);
    while (await settle());
    expect(new Set(other.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(owed));
    expect(other.received).toHaveLength(new Set(owed).size);
    expect(other.received.map(({ text }) => text).join()).toContain('s01-c4');
    expect([chat.received.length, calls('report')]).toEqual([before, 10]);
  } finally {
    await Promise.all([other.close(), manager.close()]);
  }
});

test('without the keys of a source its message fails, as before', async () => {
  await start(2, () => 1, 2, '', { KEY0_SK: '' });
  await tick();
  const { failed } = await drain();
  expect(failed).toBeGreaterThan(0);
  expect([sources[0]?.hss.calls.length, sources[1]?.hss.calls.length]).toEqual([0, 2]);
  expect(lines.join()).toContain('env://KEY0: KEY0_SK not set in the environment');
});

test('the schedule asks once for a time, however often it is invoked', async () => {
  await start(3, () => 1, 3);
  await tick();
  await tick();
  expect((await drain()).bodies).toHaveLength(3);
});

test('what a receiver did not take is tried again within minutes, once each time', async () => {
  await start(1, () => 1, 1);
  for (let i = 0; i < 6; i++) chat.script.push({ status: 503 });
  await tick();
  await drain();
  const taken = () => chat.received.filter(({ status }) => status === 200).length;
  expect([chat.received.length, taken()]).toEqual([4, 0]);
  const attempts: number[] = [];
  for (let minute = 0; minute < 60; minute++) {
    const record = await queues.receive(queues.retriesUrl);
    if (record !== undefined) {
      attempts.push(minute);
      await deliverAgain(record.body, invocation(5 * minuteMs), instance, queues.open(queues.retriesUrl), metrics);
      await queues.delete(queues.retriesUrl, record);
    }
    vi.setSystemTime(Date.now() + minuteMs);
  }
  expect([chat.received.length, taken()]).toEqual([7, 1]);
  // The first 2 minutes after, then 4 and 8 after that; then there is nothing more to do.
  expect(attempts).toHaveLength(3);
  const ids = new Set(chat.received.map(({ headers }) => headers['webhook-id']));
  expect(ids.size).toBe(1);
  expect(calls('report')).toBe(1);
});

test('a receiver that does not answer holds up no retry of another one, and hears all when it answers', async () => {
  await using other = await startReceiver();
  await start(4, () => 1, 4);
  await addReceiver(`${other.url}/in`);
  for (const { script } of [chat, other]) script.push(...Array(16).fill({ status: 503 }));
  await tick();
  await drain();
  const retry = async () => {
    for (;;) {
      const record = await queues.receive(queues.retriesUrl);
      if (record === undefined) return;
      await deliverAgain(record.body, invocation(5 * minuteMs), instance, queues.open(queues.retriesUrl), metrics);
      await queues.delete(queues.retriesUrl, record);
      vi.setSystemTime(Date.now() + 1_000);
    }
  };
  const before = [chat, other].map(({ received }) => received.length);
  const since = () => [chat, other].map(({ received }, i) => received.length - (before[i] ?? 0));
  const owed = new Set(other.received.map(({ headers }) => headers['webhook-id']));
  for (const { script } of [chat, other]) script.length = 0;
  other.script.push('hang');

  vi.setSystemTime(Date.now() + 3 * minuteMs);
  const beganMs = performance.now();
  await retry();
  expect(performance.now() - beganMs).toBeLessThan(defaultTimeouts.totalMs + 5_000);
  // Nor is one that was left alone said to have failed in as many runs.
  expect(since()).toEqual([4, 1]);

  vi.setSystemTime(Date.now() + 5 * minuteMs);
  await retry();
  const heard = other.received.filter(({ status }) => status === 200).map(({ headers }) => headers['webhook-id']);
  expect(heard).toHaveLength(4);
  expect(new Set(heard)).toEqual(owed);
  expect(since()).toEqual([4, 5]);
}, 60_000);

test('a run that went well is told to a watchdog, and no other', async () => {
  const watchdog = await startReceiver();
  try {
    await start(1, () => 1, 1, `heartbeat: {url: '${watchdog.url}/ping/secret', insecure: true}\n`);
    await tick();
    await drain();
    expect(watchdog.received.map(({ method, path }) => [method, path])).toEqual([['GET', '/ping/secret']]);
    sources[0]?.hss.fail({ kind: 'status', status: 403 }, { api: 'list', times: 9 });
    vi.setSystemTime(Date.now() + hourMs);
    await tick();
    await drain();
    expect(watchdog.received).toHaveLength(1);
    expect(metrics.added.get('ScanSucceeded')).toBe(1);
    expect(metrics.added.get('ScanFailed')).toBe(1);
  } finally {
    await watchdog.close();
  }
});

test('for how long a source could not be looked at is counted, however well others do', async () => {
  await start(2, () => 1, 2);
  const seconds: (number | undefined)[] = [];
  const run = async () => {
    metrics.added.delete('SourceFailingSeconds');
    await tick();
    await drain();
    seconds.push(metrics.added.get('SourceFailingSeconds'));
    vi.setSystemTime(Date.now() + hourMs);
  };
  await run();
  sources[0]?.hss.fail({ kind: 'status', status: 403 }, { api: 'list', times: 3 });
  for (let i = 0; i < 4; i++) await run();
  expect(seconds).toEqual([0, 0, 3600, 7200, 0]);
});

test('of more than one message has room for all are tried again', () => {
  const targets = Array.from({ length: 650 }, (_, i) => ({ source: 's', clusterId: `${i}`, clusterName: `c${i}` }));
  const messages = retryMessages(targets, 2);
  expect(messages.map((message) => [message.targets.length, message.attempt])).toEqual([
    [300, 2],
    [300, 2],
    [50, 2],
  ]);
  expect(messages.flatMap((message) => message.targets)).toEqual(targets);
  expect(retryMessages([], 1)).toEqual([]);
});
