import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test, vi } from 'vitest';
import { judgeCluster, type Question } from '../../lib/app/judge.ts';
import { evaluationKey, kept, reportKey } from '../../lib/app/kept-evaluations.ts';
import type { Bytes, ReportSource } from '../../lib/app/ports.ts';
import { ReportReads } from '../../lib/app/report-reads.ts';
import { Shared } from '../../lib/app/shared.ts';
import { type StateStore, StoreError } from '../../lib/app/state.ts';
import type { Baseline } from '../../lib/core/baseline.ts';
import { UndeterminedError } from '../../lib/core/errors.ts';
import type { Evaluation } from '../../lib/core/evaluation.ts';
import { parseImagePattern } from '../../lib/core/images.ts';
import type { Policy } from '../../lib/core/policy/parse.ts';
import type { ClusterRow } from '../../lib/core/report.ts';
import { anyAge } from '../../lib/core/retime.ts';
import { readReport } from '../../lib/hss/read-report.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { nowMs, policyOf } from '../support/evaluate.ts';
import { closing, keysOf, temporaryFolder } from '../support/stores.ts';

const row: ClusterRow = {
  clusterId: 'c-1',
  clusterName: 'prod-eu',
  category: 'CCE',
  reportId: 'r-1',
  // Older than policies allow: what is kept is of any age.
  scannedAtMs: nowMs - 40 * 3_600_000,
};

const vulnerability = (image: string) =>
  JSON.stringify({ vul_name: 'CVE-1', severity_level: 'High', local_image_name: image, local_image_version: '1' });

function reportOf(ports = ''): string {
  const rows = ['a', 'b', 'c'].map(vulnerability);
  return `{"scan_time":${row.scannedAtMs},"cluster_id":"c-1","cluster_name":"prod-eu","host_num":1,"pod_num":1,
    "container_num":1,"local_image_vul_list":[${rows}],"local_image_vul_num":${rows.length},
    "port_list":[${ports}],"port_num":${ports === '' ? 0 : 1},
    "privileged_container_list":[],"privileged_container_num":0}`;
}

const policy = policyOf('rules:\n  - {id: v, on: vulnerabilities, max: 0}\n');
const ofPorts = policyOf('rules:\n  - {id: p, on: ports, max: 0}\n');

function asking(images: readonly string[], more: Partial<Question> & Pick<Question, 'options'> = {}): Question {
  const { options, ...rest } = more;
  return {
    policy,
    nowMs,
    ...rest,
    options: { maxReportAgeMs: anyAge, images: images.map(parseImagePattern), ...options },
  };
}

/** A source whose reads wait until they are let go on. */
function sourceOf(text: string) {
  const reads: { readonly go: () => void; readonly fail: (error: Error) => void }[] = [];
  let isHeld = false;
  const source: ReportSource = {
    name: 'prod',
    list: () => Promise.reject(new Error('not asked for')),
    async read<T>(_row: ClusterRow, consume: (body: Bytes) => Promise<T>, signal?: AbortSignal): Promise<T> {
      const held = new Promise<void>((resolve, reject) => {
        reads.push({ go: resolve, fail: reject });
        signal?.addEventListener('abort', () => reject(signal.reason));
        if (!isHeld) resolve();
      });
      async function* body() {
        yield Buffer.from(text.slice(0, 200));
        await held;
        yield Buffer.from(text.slice(200));
      }
      return consume(body());
    },
  };
  return {
    source,
    reads,
    hold(held = true) {
      isHeld = held;
    },
  };
}

const short = (_ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    setTimeout(() => (signal?.aborted ? reject(signal.reason) : resolve()), 2);
  });

/** Processes over one store, or over none. Time goes on only where a test says so; who waits looks all the time. */
function desk(text = reportOf()) {
  const { source, ...held } = sourceOf(text);
  const logged: string[] = [];
  let passedMs = 0;
  const clock = { nowMs: () => nowMs + passedMs, sleep: short };
  const log = (_: unknown, msg: string) => logged.push(msg);
  return {
    ...held,
    logged,
    pass(ms: number) {
      passedMs += ms;
    },
    process(store: StateStore, policies: readonly Policy[] = [policy, ofPorts], isAlone = false) {
      const shared = new Shared({ store, clock, log, failureFreshMs: 0 });
      const of = isAlone ? undefined : store;
      const reads = new ReportReads({ shared, store: of, clock, log, readReport, freshMs: 0 });
      return (question: Question, signal?: AbortSignal) => reads.answer({ source, row, policies }, question, signal);
    },
    async alone(question: Question): Promise<Evaluation> {
      const { source } = sourceOf(text);
      const made = await judgeCluster(source, row, { ...question, readReport });
      return kept(made, row, 0, question.options?.track === 'baseline').value;
    },
  };
}

const opened = async () => closing(await openSqliteStore(join(await temporaryFolder(), 'state.db')));
const keyOf = (question: Question) => evaluationKey('prod', row, question);

function broken(store: StateStore, isBroken: (group: string) => boolean): StateStore {
  const unless =
    <A extends readonly unknown[], R>(act: (group: string, ...rest: A) => Promise<R>) =>
    async (group: string, ...rest: A): Promise<R> => {
      if (isBroken(group)) throw new StoreError('it is broken');
      return act(group, ...rest);
    };
  return { ...store, load: unless(store.load), put: unless(store.put), remove: unless(store.remove) };
}

const many = (count: number) => Array.from({ length: count }, (_, i) => asking([`team-${i}/*`, 'a']));

test('questions that come while a report is read are answered together by the next read', async () => {
  const { process, reads, hold, alone } = desk();
  const store = await opened();
  hold();
  const questions = many(20);
  const ask = (question: Question) => process(store)(question);
  const early = questions.slice(0, 10).map(ask);
  await vi.waitFor(() => expect(reads).toHaveLength(1));
  await vi.waitFor(async () => expect(await triesOf(store)).toEqual(Array(10).fill(1)));
  const late = questions.slice(10).map(ask);
  await vi.waitFor(async () => expect(await triesOf(store)).toHaveLength(20));
  hold(false);
  reads[0]?.go();
  expect(await Promise.all([...early, ...late])).toEqual(await Promise.all(questions.map(alone)));
  expect(reads).toHaveLength(2);
  expect(await keysOf(store, 'questions', '', nowMs)).toEqual([]);
});

async function triesOf(store: StateStore): Promise<readonly number[]> {
  return (await store.load('questions', reportKey('prod', row), nowMs)).map(
    ({ value }) => (value as { tries: number }).tries,
  );
}

test('more than one read can answer are answered by the next one', async () => {
  const { process, reads } = desk();
  const store = await opened();
  const one = process(store);
  await Promise.all(many(100).map((question) => one(question)));
  expect(reads).toHaveLength(2);
});

test('who reads may die: its questions are read for by another one, twice at most, and end by themselves', async () => {
  const { process, reads, hold, pass, alone } = desk();
  const store = await opened();
  hold();
  const questions = many(5);
  const stop = new AbortController();
  const answers = questions.map((question) => process(store)(question, stop.signal).catch(() => 'gone'));
  for (const dead of [1, 2]) {
    await vi.waitFor(() => expect(reads).toHaveLength(dead));
    await vi.waitFor(async () => expect(await triesOf(store)).toEqual(Array(5).fill(dead)));
    pass(125_000);
  }
  // Whatever it is that ends who reads, it is in one of them.
  hold(false);
  await vi.waitFor(() => expect(reads).toHaveLength(5));
  stop.abort(new Error('enough'));
  const settled = await Promise.all(answers);
  const expected = await Promise.all(questions.map(alone));
  expect(settled.filter((one, i) => isDeepStrictEqual(one, expected[i]))).toHaveLength(3);
  expect(await store.load('questions', '', nowMs + 310_000)).toEqual([]);
});

test('what one asked that is gone meanwhile does not hold up the others, nor does that it ran out of time', async () => {
  const { process, reads, hold, alone } = desk();
  const store = await opened();
  hold();
  const stop = new AbortController();
  const [first, ...rest] = many(4);
  const gone = process(store)(first as Question, stop.signal);
  await vi.waitFor(() => expect(reads).toHaveLength(1));
  const one = process(store);
  const others = rest.map((question) => one(question));
  const another = process(store)(first as Question);
  await vi.waitFor(async () => expect(await triesOf(store)).toHaveLength(4));
  hold(false);
  stop.abort(new Error('enough'));
  expect((await gone).reasons).toMatchObject([{ message: expect.stringContaining('ran out of time') }]);
  expect(await Promise.all(others)).toEqual(await Promise.all(rest.map(alone)));
  expect(await another).toEqual(await alone(first as Question));
  expect(reads).toHaveLength(2);
});

test('who waits in one process for another process is let go alone', async () => {
  const { process, reads, hold, alone } = desk();
  const store = await opened();
  hold();
  const [first, second, third] = many(3) as [Question, Question, Question];
  const elsewhere = process(store)(first);
  await vi.waitFor(() => expect(reads).toHaveLength(1));
  const one = process(store);
  const stop = new AbortController();
  const gone = one(second, stop.signal);
  const stays = one(third);
  await vi.waitFor(async () => expect(await triesOf(store)).toHaveLength(3));
  stop.abort(new Error('enough'));
  await expect(gone).rejects.toThrow('enough');
  hold(false);
  reads[0]?.go();
  expect([await elsewhere, await stays]).toEqual([await alone(first), await alone(third)]);
});

describe('a question that cannot be answered by another one', () => {
  const largeBaseline = (): Baseline => ({
    version: 1,
    cluster: { id: 'c-1', name: 'prod-eu' },
    policy: { name: policy.name, digest: policy.digest },
    report: {
      id: 'r-0',
      scanned_at: new Date(nowMs - 50 * 3_600_000).toISOString(),
      digest: `sha256:${'0'.repeat(64)}`,
    },
    images: [],
    rules: [
      {
        id: 'v',
        definition: 'x',
        count: 1,
        grades: [0, 0, 0, 0, 0, 0],
        findings: Array.from({ length: 40_000 }, (_, i) =>
          ((i * 2_654_435_761) % 2 ** 48).toString(16).padStart(12, '0'),
        ),
      },
    ],
  });

  test.each([
    {
      why: 'of another policy than it has',
      question: asking(['a'], { policy: ofPorts, options: {} }),
      policies: [policy],
    },
    {
      why: 'with a baseline too large to be written down',
      question: asking(['a'], { options: { baseline: largeBaseline() } }),
    },
  ])('$why is read for by its own asker', async ({ question, policies }) => {
    const { process, reads, hold, alone } = desk();
    const store = await opened();
    hold();
    const other = asking(['b']);
    const first = process(store, policies)(other);
    await vi.waitFor(() => expect(reads).toHaveLength(1));
    const second = process(store)(question);
    hold(false);
    await new Promise((resolve) => setTimeout(resolve, 20));
    reads[0]?.go();
    expect([await first, await second]).toEqual([await alone(other), await alone(question)]);
    expect(reads).toHaveLength(2);
  });

  test('is one that was written down otherwise than it was asked', async () => {
    const { process, reads } = desk();
    const store = await opened();
    const question = asking(['a']);
    const value = { policy: policy.digest, nowMs, images: ['nowhere/*'] };
    const key = `${reportKey('prod', row)}/${keyOf(question)}`;
    await store.put(
      'questions',
      { key, value: { key: keyOf(question), atMs: nowMs, tries: 0, question: value } },
      0,
      nowMs,
    );
    await process(store)(asking(['b']));
    expect(await store.load('shared', keyOf(question), nowMs)).toEqual([]);
    expect(reads).toHaveLength(1);
  });

  test('is one that another one’s list hides the rest of the report from: what reads no ports is not told of them', async () => {
    const { process, reads, alone } = desk(reportOf('{"port":1,"laddr":"a","port":2}'));
    const questions = [asking(['a']), asking([], { policy: ofPorts, options: { images: undefined } }), asking(['b'])];
    const one = process(await opened());
    const answers = await Promise.all(questions.map((question) => one(question)));
    expect(answers).toEqual(await Promise.all(questions.map(alone)));
    expect(answers.map(({ verdict }) => verdict)).toEqual(['fail', 'undetermined', 'fail']);
    expect(answers.map(({ reasons }) => reasons.length)).toEqual([0, 1, 0]);
    expect(reads).toHaveLength(2);
  });
});

test('a body that breaks off is doubtful for all, and none of them asks again at once', async () => {
  const { process, reads, hold } = desk();
  const store = await opened();
  hold();
  const answers = many(6).map((question) => process(store)(question));
  await vi.waitFor(async () => expect(await triesOf(store)).toEqual(Array(6).fill(1)));
  reads[0]?.fail(new UndeterminedError('report-truncated', 'the body broke off'));
  for (const { verdict, reasons } of await Promise.all(answers))
    expect([verdict, reasons.map(({ kind }) => kind)]).toEqual(['undetermined', ['report-truncated']]);
  expect(reads).toHaveLength(1);
});

describe('a store that fails', () => {
  test.each([
    { why: 'altogether', isBroken: () => true },
    { why: 'for questions', isBroken: (group: string) => group === 'questions' },
    { why: 'for results', isBroken: (group: string) => group === 'shared' },
  ])('$why costs a process one read, and no answer', async ({ isBroken }) => {
    const { process, reads, alone } = desk();
    const store = broken(await opened(), isBroken);
    const questions = many(50);
    const one = process(store);
    const answers = await Promise.all(questions.map((question) => one(question)));
    expect(answers).toEqual(await Promise.all(questions.map(alone)));
    expect(reads).toHaveLength(1);
    expect(await process(store)(asking(['c']))).toEqual(await alone(asking(['c'])));
  });

  test('is not missed where nobody else is there', async () => {
    const { process, reads, logged } = desk();
    const store = await opened();
    const one = process(store, [policy], true);
    await Promise.all(many(50).map((question) => one(question)));
    expect([reads.length, logged, await keysOf(store, 'questions')]).toEqual([1, [], []]);
  });
});
