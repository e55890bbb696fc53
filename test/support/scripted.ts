import { hash } from 'node:crypto';
import type { OwedTarget } from '../../lib/app/outbox.ts';
import type { Notifier, ReportSource } from '../../lib/app/ports.ts';
import { deliverOwed, type ScanEdges, type ScanScope, type ScanSummary, scan } from '../../lib/app/scan.ts';
import { Shared } from '../../lib/app/shared.ts';
import type { StateStore } from '../../lib/app/state.ts';
import type { WatchedSource } from '../../lib/app/watched.ts';
import type { Announce } from '../../lib/core/deliveries.ts';
import { DeliveryError, NotTriedError, UndeterminedError } from '../../lib/core/errors.ts';
import { compileExpression, isProblem } from '../../lib/core/expression.ts';
import type { AlertNews, Notice } from '../../lib/core/notice.ts';
import type { Policy } from '../../lib/core/policy/parse.ts';
import type { Finding } from '../../lib/core/report.ts';
import { type RouteTable, routeFields } from '../../lib/core/routes.ts';
import { createMemoryStore } from '../../lib/stores/memory.ts';
import { type Findings, factsOf, policyOf } from './evaluate.ts';

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const startMs = Date.UTC(2026, 0, 5, 6);

/** What HSS has of a cluster at a time. */
export interface ScriptedCluster {
  readonly findings: Findings;
  readonly scannedAtMs: number;
  readonly hosts?: number;
  /** Counts above their lists: the report does not suffice. */
  readonly reported?: number;
}

/**
 * How a receiver answers: `refuse` is a 503, `gone` a 410, `unknown` a 404, after which it did not arrive for certain, `lost`
 * a message that is taken, but the answer gets lost, `plain` one that is taken in plain words only, `untried` one for which there
 * is no time.
 */
export type ScriptedAnswer = 'accept' | 'refuse' | 'gone' | 'unknown' | 'lost' | 'plain' | 'untried';

/** A receiver that answers from a script, then as usual: by taking everything, unless said otherwise. */
export interface ScriptedReceiver extends Notifier {
  /** Every message that was accepted, in order. */
  readonly accepted: Notice[];
  /** Every message that was sent, accepted or not. */
  readonly sent: Notice[];
  /** Answers to come. */
  readonly script: ScriptedAnswer[];
  usual: ScriptedAnswer;
  /** Names of clusters: it answers 400 to whatever is about one of them. */
  faults: readonly string[];
}

/** One thing that a run asks of the world: the store, HSS or a receiver. What stands around it may crash, fail or wait. */
export type Operate = <T>(name: string, effect: () => Promise<T>) => Promise<T>;

const undisturbed: Operate = (_name, effect) => effect();

export function scriptedReceiver(receiver: string): ScriptedReceiver {
  const scripted: ScriptedReceiver = {
    receiver,
    accepted: [],
    sent: [],
    script: [],
    usual: 'accept',
    faults: [],
    async deliver(notice) {
      scripted.sent.push(notice);
      const about = notice.about === 'alerts' ? [notice] : notice.clusters;
      if (about.some(({ cluster }) => scripted.faults.includes(cluster.name)))
        throw new DeliveryError(receiver, 'answered 400', false, 400, false);
      const answer = scripted.script.shift() ?? scripted.usual;
      if (answer === 'untried') throw new NotTriedError(receiver, 'no time, by the script');
      const isRefused = answer === 'refuse' || answer === 'gone' || answer === 'unknown';
      if (!isRefused) scripted.accepted.push(notice);
      if (answer === 'accept') return;
      if (answer === 'plain') return { refusal: 'by the script' };
      const status = { refuse: 503, gone: 410, unknown: 404, lost: undefined }[answer];
      const isFinal = answer === 'gone' || answer === 'unknown';
      throw new DeliveryError(receiver, `answered by the script: ${answer}`, !isFinal, status, !isFinal);
    },
  };
  return scripted;
}

export interface Scripted {
  /** By name; changed between runs. A cluster that is `undefined` was never checked. */
  readonly clusters: Map<string, ScriptedCluster | undefined>;
  readonly receivers: ReadonlyMap<string, ScriptedReceiver>;
  /** Replaced, all that is remembered is lost. */
  store: StateStore;
  /** Names of clusters that the config leaves out. */
  exclude: readonly string[];
  /** Whether HSS gives its list of reports. */
  isReachable: boolean;
  /** `list` and the names of clusters whose report was read, since it was last emptied. */
  readonly calls: string[];
  policy: Policy;
  /** Why the policy cannot be used. */
  policyProblem: WatchedSource['policyProblem'];
  /** Takes what is to be tried again in minutes; undefined: nobody is asked. */
  askAgain: ScanEdges['askAgain'];
  /** Moved ahead, time passes while runs are under way. */
  passedMs: number;
  /** The scheduled job, once; `operate` stands around all that it asks of the world. */
  run(nowMs: number, operate?: Operate, scope?: ScanScope): Promise<ScanSummary>;
  /** What is owed of these once more, as minutes after a run. */
  retry(nowMs: number, targets: readonly OwedTarget[]): Promise<ScanSummary>;
  /** What the receivers accepted since the last time, as `chat: prod new r 3`. */
  heard(): string[];
}

export interface ScriptedOptions {
  readonly policy?: string | Policy;
  readonly receivers?: Readonly<Record<string, Announce>>;
  /** Conditions in CEL; default: everything goes to every receiver. */
  readonly routes?: readonly { readonly when?: string; readonly receivers: readonly string[] }[];
  readonly store?: StateStore;
  readonly options?: Partial<ScanEdges['options']> | undefined;
  /** Receivers that are sent with every run what fires. */
  readonly reposts?: readonly string[];
}

const defaultOptions: ScanEdges['options'] = {
  reopenWithinMs: 7 * dayMs,
  maxDrop: 0.5,
  settlesAfter: 3,
  forgetAfterMs: 30 * dayMs,
  remindMs: { critical: dayMs, high: 3 * dayMs, medium: 7 * dayMs, low: 30 * dayMs },
  claimMs: 5 * 60_000,
  owedForMs: 3 * dayMs,
  failingAfterRuns: 3,
};

/** The scheduled job over scripted clusters and receivers, with a store in memory unless another one is given. */
export function scripted(given: ScriptedOptions = {}): Scripted {
  const { policy = 'rules:\n  - {id: r, on: vulnerabilities, max: 0}\n' } = given;
  const clusters: Scripted['clusters'] = new Map();
  const calls: string[] = [];
  const receivers = new Map(
    Object.keys(given.receivers ?? { chat: 'summary' }).map((name) => [name, scriptedReceiver(name)]),
  );
  const heardUpTo = new Map<string, number>();
  const routes = given.routes === undefined ? undefined : routesOf(given.routes);
  /** All that were ever in the list: HSS keeps old ones. */
  const kept = new Map<string, ScriptedCluster>();
  const reports: ReportSource = {
    name: 'prod',
    async list() {
      calls.push('list');
      if (!world.isReachable) throw new UndeterminedError('source-unreachable', 'source prod: HSS does not answer');
      return {
        nameless: 0,
        clusters: [...clusters].map(([name, cluster]) => {
          const reportId = cluster && hash('sha256', `${name} ${cluster.scannedAtMs}`, 'hex').slice(0, 12);
          if (cluster !== undefined && reportId !== undefined) kept.set(reportId, cluster);
          const scannedAtMs = cluster?.scannedAtMs;
          return { clusterId: `id-${name}`, clusterName: name, category: 'CCE', reportId, scannedAtMs };
        }),
      };
    },
    async read({ clusterName, reportId }, consume) {
      calls.push(clusterName);
      async function* body() {
        yield Buffer.from(JSON.stringify({ clusterName, reportId }));
      }
      return consume(body());
    },
  };
  const world: Scripted = {
    clusters,
    receivers,
    store: given.store ?? createMemoryStore(),
    exclude: [],
    isReachable: true,
    calls,
    askAgain: undefined,
    passedMs: 0,
    policy: typeof policy === 'string' ? policyOf(policy) : policy,
    policyProblem: undefined,
    run: (nowMs, operate = undisturbed, scope = {}) => scan(edges(nowMs, operate), nowMs, undefined, scope),
    retry: (nowMs, targets) => deliverOwed(edges(nowMs, undisturbed), targets, nowMs),
    heard() {
      return [...receivers].flatMap(([name, { accepted }]) => {
        const from = heardUpTo.get(name) ?? 0;
        heardUpTo.set(name, accepted.length);
        return accepted.slice(from).flatMap((notice) => linesOf(name, notice));
      });
    },
  };
  function edges(nowMs: number, operate: Operate): ScanEdges {
    const source: WatchedSource = {
      name: 'prod',
      reports: around(reports, operate),
      policy: world.policy,
      policyProblem: world.policyProblem,
      exclude: world.exclude,
      expect: [],
    };
    const beganMs = world.passedMs;
    const clock = { nowMs: () => nowMs + world.passedMs - beganMs, sleep: async () => {} };
    return {
      sources: [source],
      configured: new Map([[source.name, source.expect]]),
      clock,
      store: around(world.store, operate),
      shared: new Shared({
        store: around(world.store, (name, effect) => operate(`shared ${name}`, effect)),
        clock,
        log: () => {},
        failureFreshMs: 0,
      }),
      routes: routes ?? [{ when: undefined, receivers: [...receivers.keys()], continues: false }],
      notifiers: new Map([...receivers].map(([name, receiver]) => [name, around(receiver, operate)])),
      announce: new Map(Object.entries(given.receivers ?? { chat: 'summary' as const })),
      reposts: new Set(given.reposts),
      log: () => {},
      askAgain: world.askAgain,
      options: { ...defaultOptions, ...given.options },
      async readReport(body, read, push) {
        let text = '';
        for await (const piece of body) text += Buffer.from(piece).toString();
        const { clusterName: name, reportId } = JSON.parse(text);
        const cluster = kept.get(reportId) as ScriptedCluster;
        for (const [kind, rows] of Object.entries(cluster.findings)) {
          if (read.has(kind as 'ports')) for (const row of rows) push(kind as 'ports', row);
        }
        const facts = factsOf(
          cluster.findings,
          cluster.reported === undefined ? {} : { vulnerabilities: { reported: cluster.reported } },
        );
        const { hosts = 2, scannedAtMs } = cluster;
        return {
          facts: { ...facts, clusterId: `id-${name}`, clusterName: name, hosts, scannedAtMs },
          digest: 'sha256:scripted',
          byteLength: 0,
        };
      },
    };
  }
  return world;
}

/** The same thing, with `operate` around each of its calls. */
function around<T extends object>(it: T, operate: Operate): T {
  const wrapped = Object.entries(it).map(([name, member]) => {
    if (typeof member !== 'function') return [name, member];
    return [name, (...args: unknown[]) => operate(name, () => member.apply(it, args))];
  });
  return Object.fromEntries(wrapped) as T;
}

function routesOf(routes: NonNullable<ScriptedOptions['routes']>): RouteTable {
  return routes.map(({ when, receivers }) => {
    const compiled = when === undefined ? undefined : compileExpression(routeFields, when);
    if (compiled !== undefined && isProblem(compiled)) throw new Error(compiled.message);
    return { when: compiled, receivers, continues: false };
  });
}

/** What a message says, alert by alert; nothing of clusters of which it says only that nothing stands. */
export function linesOf(receiver: string, notice: Notice): string[] {
  const line = (cluster: string, news: AlertNews) => `${receiver}: ${lineOf(cluster, news)}`;
  if (notice.about === 'alerts') return notice.news.map((news) => line(notice.cluster.name, news));
  return notice.clusters.flatMap(({ cluster, news, standing }) => {
    const said = news.map((one) => `digest ${notice.why} ${line(cluster.name, one)}`);
    return said.length > 0 || standing === 0
      ? said
      : [`digest ${notice.why} ${receiver}: ${cluster.name} ${standing} uncalled`];
  });
}

/** `prod new r 3`; `prod new r(app 1) 3` of a group; `prod new report-stale` of a cluster that cannot be judged. */
export function lineOf(cluster: string, { cause, rule, group, count, reasons }: AlertNews): string {
  const values = Object.values(group);
  const of = values.length > 0 ? `(${values.join(' ')})` : '';
  const what = rule === '' ? reasons.map(({ kind }) => kind).join('+') : `${rule}${of} ${count}`;
  return `${cluster} ${cause} ${what}`;
}

/** Vulnerabilities by number, all High unless said otherwise. */
export function vuls(...numbers: readonly number[]): Finding[] {
  return numbers.map((n) => ({
    severity: 'High',
    image: 'app',
    image_version: '1',
    vulnerability: `CVE-${n}`,
    package: 'p',
    package_version: '1',
  }));
}

/** The report of a cluster at an hour shows these; what is heard of it. */
export async function look(world: Scripted, hour: number, findings: ReturnType<typeof vuls>, cluster = 'prod') {
  const nowMs = startMs + hour * hourMs;
  world.clusters.set(cluster, { findings: { vulnerabilities: findings }, scannedAtMs: nowMs });
  await world.run(nowMs);
  return world.heard();
}
