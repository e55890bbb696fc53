import { isUtf8 } from 'node:buffer';
import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type GateEdges, type GateRequest, gate } from './app/gate.ts';
import { type Judge, judgeBytes } from './app/judge.ts';
import { leavingAlone } from './app/left-alone.ts';
import { loadLooks, whole } from './app/looks.ts';
import type { Objects } from './app/objects.ts';
import type { AskAgain, OwedTarget } from './app/outbox.ts';
import { receiverName } from './app/own-names.ts';
import { createPaceBook } from './app/pace-book.ts';
import { type OpenPages, PageDesk, type Pages } from './app/pages.ts';
import { type HeldPolicy, PolicyBook } from './app/policy-book.ts';
import type { Bytes, Clock, Log, Notifier, Push, ReportReader } from './app/ports.ts';
import { ReportReads } from './app/report-reads.ts';
import { deliverOwed, type ScanEdges, type ScanScope, type ScanSummary, scan, tellPoisoned } from './app/scan.ts';
import { Shared } from './app/shared.ts';
import { type StateStore, StoreError } from './app/state.ts';
import { noPolicy, type WatchedSource } from './app/watched.ts';
import { type Config, parseConfig } from './config/parse.ts';
import { heartbeatReferences, receiverReferences } from './config/references.ts';
import { type Receiver, secretReference } from './config/schema.ts';
import { clockSkewMs, formatDuration } from './core/duration.ts';
import { InputError, UndeterminedError } from './core/errors.ts';
import { clusterFinding } from './core/evaluate.ts';
import type { Evaluation } from './core/evaluation.ts';
import { type PagePlace, parseS3Prefix } from './core/page-place.ts';
import { preparePatterns } from './core/pattern.ts';
import type { Policy } from './core/policy/parse.ts';
import { readPolicy } from './core/policy/read.ts';
import { isS3 } from './core/s3-location.ts';
import { formatIssue } from './core/yaml.ts';
import { createHssSource } from './hss/client.ts';
import { systemClock } from './hss/clock.ts';
import { createPacers } from './hss/pacer.ts';
import { type ReadOptions, readReport } from './hss/read-report.ts';
import { defaultLimits, type ReportLimits } from './hss/report-stream.ts';
import { createGuard } from './http/addresses.ts';
import { createHttp, type Http, HttpError } from './http/request.ts';
import { type Attempts, oneAttempt } from './notifiers/attempts.ts';
import { createPace } from './notifiers/pace.ts';
import type { S3Options } from './s3/attempts.ts';
import { onceEach } from './secrets/once.ts';
import { Secrets } from './secrets/secrets.ts';
import { awsSecrets } from './secrets/secrets-manager.ts';
import { createMemoryStore } from './stores/memory.ts';

export { systemClock } from './hss/clock.ts';

/** What the world outside gives: tests bring their own. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly log: Log;
  /** What writes pages; without it messages link to those that are there. */
  readonly openPages?: OpenPages;
  /** How long gates take what HSS said a moment ago; default 0. */
  readonly freshMs?: number;
  /** The same of that it said nothing; default `freshMs`. */
  readonly failureFreshMs?: number;
}

/** The use cases, their edges in place. */
export interface App {
  /** @throws {InputError} */
  gate(request: GateRequest, nowMs: number, signal?: AbortSignal): Promise<Evaluation>;
  /** The path of the policy that an evaluation is by; undefined: it is in no file. */
  policyFile(evaluation: Evaluation): string | undefined;
  /** Of the policy that an evaluation was made by. */
  rules(evaluation: Evaluation): Policy['rules'] | undefined;
  /** @throws {InputError} the secret of a source is missing, before anything is done */
  scan(nowMs: number, options?: ScanOptions, signal?: AbortSignal): Promise<ScanSummary>;
  /** Try once to deliver what receivers did not take. @throws {InputError} */
  deliverOwed(
    targets: readonly OwedTarget[],
    nowMs: number,
    signal?: AbortSignal,
    askAgain?: AskAgain,
  ): Promise<ScanSummary>;
  /** When the schedule asked for the last scan of a source that looked at all of it; epoch milliseconds, 0: there was none. */
  lastWholeScan(source: string, nowMs: number): Promise<number>;
  /** Tell of sources that were given up. @throws {InputError} */
  tellPoisoned(
    sources: readonly string[],
    command: string,
    isWhole: boolean,
    nowMs: number,
    signal?: AbortSignal,
    askAgain?: AskAgain,
  ): Promise<ScanSummary>;
  /** The sources, each with who must not be worked at the same time: those that share a limit of HSS. */
  readonly sources: readonly { readonly name: string; readonly group: string }[];
  /** Calls of HSS since this was asked last. */
  hssCalls(): HssCalls;
  /** By the receiver's name. */
  notifiers(): Promise<ReadonlyMap<string, Notifier>>;
  /** The memory of alerts. @throws {InputError} it cannot be opened */
  store(): Promise<StateStore>;
  /** Ends what is still under way. */
  close(): Promise<void>;
}

export interface HssCalls {
  readonly calls: number;
  /** Those that HSS answered with 429. */
  readonly throttled: number;
}

export interface ScanOptions {
  /** Only these sources; absent: all. */
  readonly sources?: readonly string[];
  readonly scope?: ScanScope;
  readonly askAgain?: AskAgain | undefined;
  readonly onCluster?: ScanEdges['onCluster'];
  /**
   * For a dry run: in place of the receivers' own, and nothing is remembered.
   */
  readonly notifiers?: ReadonlyMap<string, Notifier>;
}

/** Read a policy file. @throws {InputError} every issue in it, or that it cannot be read */
export async function loadPolicy(path: string): Promise<Policy> {
  if (isS3(path)) throw new InputError(`policy ${path}: a config reads policies in S3; here it has to be a file`);
  return readPolicy(await readInput(path, 'policy'), path);
}

/** Read a config file. @throws {InputError} every issue in it, or that it cannot be read */
export async function loadConfig(path: string): Promise<Config> {
  const text = await readInput(path, 'config');
  await preparePatterns(text);
  const { config, issues } = parseConfig(text, path);
  if (config === undefined) throw new InputError(`invalid config\n${issues.map(formatIssue).join('\n')}`);
  return config;
}

/** All files that are read by a config: policies, secrets, and the state, which is written too. */
export function filesOf(config: Config, env: World['env']): string[] {
  const secrets = [...JSON.stringify(config).matchAll(/"file:\/\/(\/[^#"]+)/g)].map(([, path = '']) => path);
  const [, database] = /^sqlite:(.+)$/s.exec(stateOf(config, env)) ?? [];
  const state = database === undefined ? [] : ['', '-wal', '-shm', '-journal'].map((end) => `${database}${end}`);
  const policies = config.sources.map(({ policy }) => policy);
  return [...policies, ...secrets, ...state].map((path) => resolve(config.folder, path));
}

/** Judge a report at hand, without any config. */
export function judgeReport(body: Bytes, judge: Omit<Judge, 'readReport'>, options?: ReadOptions): Promise<Evaluation> {
  return judgeBytes(body, { ...judge, readReport: reader(options) });
}

/** All findings of a report at hand that a policy looks at. */
export async function readFindings(body: Bytes, policy: Policy, push: Push): Promise<void> {
  const { facts } = await reader()(body, new Set(policy.rules.map(({ on }) => on)), push);
  push('cluster', clusterFinding({ cluster: {} }, facts));
}

function reader(options?: ReadOptions): ReportReader {
  return (body, read, push) => readReport(body, read, push, options);
}

/** Put the edges in place. @throws {InputError} a policy that is invalid */
export async function compose(config: Config, world: World): Promise<App> {
  const { clock = systemClock, random = Math.random, env, log, freshMs = 0, failureFreshMs = freshMs } = world;
  const http = createHttp();
  let counts: HssCalls = { calls: 0, throttled: 0 };
  const counted: Http = {
    async send(request) {
      counts = { ...counts, calls: counts.calls + 1 };
      const response = await http.send(request);
      if (response.status === 429) counts = { ...counts, throttled: counts.throttled + 1 };
      return response;
    },
    close: () => http.close(),
  };
  const secrets = new Secrets({
    env,
    fetchAwsSecret: awsSecrets({ endpoint: env.AWS_ENDPOINT_URL_SECRETS_MANAGER }),
    nowMs: clock.nowMs,
    maxAgeMs: config.secretsMaxAgeMs,
    onStale: (secret, ageMs, why) =>
      log('warn', 'secret not fetched, the last value is used', { secret, age: formatDuration(ageMs), reason: why }),
  });
  const files = await loadPolicies(config);
  const place = placeOf(config, env);
  const s3 = { endpoint: env.AWS_ENDPOINT_URL_S3 || undefined, clock, random };
  let objects: Promise<Objects> | undefined;
  let pages: Promise<Pages> | undefined;
  const book = new PolicyBook({
    objects() {
      objects ??= openS3(s3);
      return objects;
    },
    nowMs: clock.nowMs,
    maxAgeMs: config.policies.max_age,
    usableForMs: config.policies.usable_for,
  });
  const { calls_per_minute: calls, calls_shared_by: sharedBy } = config.limits ?? {};
  let opened: Promise<StateStore> | undefined;
  const store = () => {
    opened ??= openState(config, env);
    // What could not be opened is tried again.
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
  const pacers = createPacers(clock, {
    limit: calls === undefined ? undefined : { calls, windowMs: 60_000 },
    isShared: sharedBy === 'address',
    book: createPaceBook(store, clock.nowMs),
  });
  const sources = config.sources.map((source) => ({
    name: source.name,
    reports: createHssSource({
      name: source.name,
      region: source.region,
      projectId: source.project_id,
      enterpriseProjectId: source.enterprise_project_id,
      endpoint: source.endpoint,
      iamEndpoint: source.iam_endpoint,
      credentials: secrets.credentials(source.credentials),
      http: counted,
      clock,
      random,
      pacers,
    }),
    policyAt: source.policy,
    include: source.clusters?.include,
    exclude: source.clusters?.exclude,
    expect: source.expect,
  }));
  /** With the policies as they are now: for one run, or one request. */
  const watch = (shared: Shared, asked?: readonly string[]): Promise<WatchedSource[]> =>
    Promise.all(
      sources
        .filter(({ name }) => asked === undefined || asked.includes(name))
        .map(async ({ policyAt, ...source }) => {
          const policy = files.get(policyAt);
          return { ...source, ...(policy === undefined ? await policyIn(book, policyAt, shared) : { policy }) };
        }),
    );
  const readReport = reader({ limits: limitsOf(config) });
  // Endpoints of HSS are the operator's choice. Where receivers are is up to whoever has their DNS or their secret.
  const edges = { clients: clientsOf(config.receivers), pace: createPace(clock), clock, random };
  const patient: MakeNotifiers = (secret) => notifiersOf(config.receivers, secret, edges);
  const leaveAlone = leavingAlone(clock);
  /** For what a queue brings again: no message waits there for another one's receiver. */
  const brief: MakeNotifiers = async (secret) => {
    const made = await notifiersOf(config.receivers, secret, { ...edges, attempts: oneAttempt });
    return new Map([...made].map(([name, notifier]) => [name, leaveAlone(notifier)]));
  };
  const { heartbeat } = config;
  const heartbeatHttp = heartbeat && createHttp({ guard: createGuard(heartbeat) });

  async function scanEdges(
    options: ScanOptions = {},
    secret = onceEach(secrets),
    makeNotifiers = patient,
  ): Promise<ScanEdges> {
    const kept = options.notifiers === undefined ? await store() : await readOnly(await store());
    const shared = new Shared({ store: kept, clock, log, failureFreshMs });
    const desk = options.notifiers === undefined ? deskOf(kept) : undefined;
    return {
      ...(desk && { page: (source, followed) => desk.link(source, followed, clock.nowMs()) }),
      sources: await watch(shared, options.sources),
      readReport,
      store: kept,
      shared,
      routes: config.routes,
      announce: new Map(config.receivers.map(({ name, announce }) => [name, announce])),
      reposts: new Set(config.receivers.filter(forgets).map(({ name }) => name)),
      options: followOptions(config),
      notifiers: options.notifiers ?? (await makeNotifiers(secret)),
      configured: new Map(config.sources.map(({ name, expect }) => [name, expect])),
      clock,
      log,
      askAgain: options.askAgain,
      ...(options.onCluster && { onCluster: options.onCluster }),
    };
  }
  /** Secrets of the sources that are looked at have to be there. Without that of a receiver all others are told. */
  async function checked(options: ScanOptions, secret: Secrets['secret']): Promise<ScanEdges> {
    const references = config.sources
      .filter(({ name }) => options.sources === undefined || options.sources.includes(name))
      .map(({ credentials }) => credentials);
    const [ofSources, missing] = await Promise.all([
      Promise.allSettled(references.map((reference) => secrets.credentials(reference)(false))),
      missingSecrets(config, secret),
    ]);
    throwAll(ofSources, [...missing.values()].flat());
    for (const [of, reasons] of missing) log('error', 'secret not readable', { of, reasons });
    return { ...(await scanEdges(options, secret)), missing };
  }
  /** Of one run. */
  function deskOf(store: StateStore): PageDesk | undefined {
    if (place === undefined) return undefined;
    const { openPages } = world;
    const open = openPages && (() => (pages ??= openPages(place, s3)));
    return new PageDesk({ place, region: env.AWS_REGION || undefined, pages: open, store, log });
  }
  async function beat(secret: Secrets['secret'], signal: AbortSignal | undefined): Promise<void> {
    if (heartbeat === undefined || heartbeatHttp === undefined) return;
    const { url } = heartbeat;
    const { sendHeartbeat } = await import('./notifiers/heartbeat.ts');
    const to = secretReference.test(url) ? secret(url) : new URL(url);
    const reason = await sendHeartbeat(to, heartbeatHttp, signal);
    if (reason !== undefined) log('warn', 'the heartbeat was not taken', { reason });
  }

  let gateEdges: Promise<Omit<GateEdges, 'sources'>> | undefined;
  const coverage = followOptions(config);
  const openGate = async (): Promise<Omit<GateEdges, 'sources'>> => {
    const kept = await store().catch((error: unknown) => unusable(error, log));
    const usable = 'unusable' in kept ? createMemoryStore() : kept;
    const shared = new Shared({ store: usable, clock, log, failureFreshMs });
    const lasting = isLasting(config, env) ? kept : forgotten;
    const others = 'unusable' in lasting ? undefined : lasting;
    const reads = new ReportReads({ shared, store: others, clock, log, readReport, freshMs });
    return { shared, reads, store: lasting, freshMs, coverage };
  };
  return {
    async gate(request, nowMs, signal) {
      gateEdges ??= openGate();
      gateEdges.catch(() => {
        gateEdges = undefined;
      });
      const edges = await gateEdges;
      return gate(request, { ...edges, sources: await watch(edges.shared) }, nowMs, signal);
    },
    rules: ({ policy }) => [...files.values(), ...book.policies].find(({ digest }) => digest === policy.digest)?.rules,
    policyFile: ({ policy }) => [...files].find(([, { digest }]) => digest === policy.digest)?.[0],
    async scan(nowMs, options = {}, signal) {
      const secret = onceEach(secrets);
      const summary = await scan(await checked(options, secret), nowMs, signal, options.scope);
      if (summary.exitCode === 0 && summary.left === 0 && options.notifiers === undefined) await beat(secret, signal);
      return summary;
    },
    deliverOwed: async (targets, nowMs, signal, askAgain) =>
      deliverOwed(await scanEdges({ askAgain }, onceEach(secrets), brief), targets, nowMs, signal),
    async lastWholeScan(source, nowMs) {
      const { [whole]: atMs = 0 } = await loadLooks(await store(), source, nowMs);
      // What lies in the future was noted by a clock that ran ahead.
      return atMs <= nowMs + clockSkewMs ? atMs : 0;
    },
    tellPoisoned: async (sources, command, isWhole, nowMs, signal, askAgain) =>
      tellPoisoned(await scanEdges({ askAgain }), sources, command, isWhole, nowMs, signal),
    sources: config.sources.map(({ name, credentials }) => ({ name, group: limitGroup(config, credentials) })),
    hssCalls() {
      const since = counts;
      counts = { calls: 0, throttled: 0 };
      return since;
    },
    notifiers: () => patient(onceEach(secrets)),
    store,
    async close() {
      const clients = [http, ...edges.clients.values(), ...(heartbeatHttp === undefined ? [] : [heartbeatHttp])];
      await Promise.all(clients.map((one) => one.close()));
      await (await opened)?.close();
      for (const one of await Promise.allSettled([objects, pages])) {
        if (one.status === 'fulfilled') one.value?.close();
      }
    },
  };
}

/** A verdict needs no state; what needs one says so. */
function unusable(error: unknown, log: Log): { readonly unusable: string } {
  if (!(error instanceof InputError) && !(error instanceof StoreError)) throw error;
  log('info', 'the state cannot be used', { reason: error.message });
  return { unusable: error.message };
}

/** `PORTCULLIS_STATE` stands above the config: a deployment names its own table. */
function stateOf(config: Config, env: World['env']): string {
  return env.PORTCULLIS_STATE || config.state;
}

/**
 * `PORTCULLIS_PAGES` stands above `pages.to` of the config.
 * @throws {InputError} it is no place
 */
function placeOf({ pages, folder }: Config, env: World['env']): PagePlace | undefined {
  const to = env.PORTCULLIS_PAGES || pages?.to;
  if (to === undefined) return undefined;
  const bucket = isS3(to) ? parseS3Prefix(to) : { folder: resolve(folder, to) };
  if (bucket === undefined) throw new InputError('PORTCULLIS_PAGES: has to be s3://BUCKET/PREFIX or a folder');
  return { at: bucket, link: pages?.link };
}

async function openState(config: Config, env: World['env']): Promise<StateStore> {
  const { openStore } = await import('./stores/open.ts');
  return openStore(stateOf(config, env), { folder: config.folder });
}

/** What is written into memory no scan finds. */
function isLasting(config: Config, env: World['env']): boolean {
  return stateOf(config, env) !== 'memory:';
}

const forgotten = { unusable: 'state memory: is lost when the gate ends', isForgetful: true } as const;

/** What is there, with all that is written kept aside: a dry run remembers nothing. */
async function readOnly(store: StateStore): Promise<StateStore> {
  const { createOverlayStore } = await import('./stores/overlay.ts');
  return createOverlayStore(store);
}

function followOptions({ alerts }: Config): ScanEdges['options'] {
  return {
    reopenWithinMs: alerts.reopen_within,
    maxDrop: alerts.max_coverage_drop,
    settlesAfter: alerts.coverage_settles_after,
    forgetAfterMs: alerts.reopen_within + 30 * 86_400_000,
    remindMs: alerts.remind_after,
    claimMs: 5 * 60_000,
    owedForMs: alerts.owed_for,
    failingAfterRuns: alerts.failing_after_runs,
  };
}

/** An Alertmanager has no alerts when it was started anew. */
function forgets({ webhook }: Receiver): boolean {
  return webhook?.format === 'alertmanager';
}

/** Sources of one group share a limit of HSS, and are not worked at the same time. Says nothing of the reference. */
function limitGroup({ limits }: Config, credentials: string): string {
  if (limits?.calls_shared_by === 'address') return 'all';
  // A member of a secret is told apart from the whole by its text only.
  const [secret = ''] = credentials.split('#');
  const [, name] = /^aws-sm:\/\/arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:(.+)$/.exec(secret) ?? [];
  // By its ARN, with the six characters of AWS or without, it is the secret of that name.
  const one = name === undefined ? secret : `aws-sm://${name.replace(/-[A-Za-z0-9]{6}$/, '')}`;
  return hash('sha256', `group ${one}`, 'hex').slice(0, 16);
}

/** For each receiver a client of its own, which connects only to where that receiver may be. */
function clientsOf(receivers: readonly Receiver[]): ReadonlyMap<string, Http> {
  return new Map(receivers.map((receiver) => [receiver.name, createHttp({ guard: createGuard(receiver) })]));
}

interface NotifierEdges {
  readonly clients: ReadonlyMap<string, Http>;
  /** Keeps the messages of a run, and of the next one, apart. */
  readonly pace: (http: Http) => Http;
  readonly clock: Clock;
  readonly random: () => number;
  readonly attempts?: Attempts;
}

type MakeNotifiers = (secret: Secrets['secret']) => Promise<ReadonlyMap<string, Notifier>>;

async function notifiersOf(receivers: readonly Receiver[], secret: Secrets['secret'], edges: NotifierEdges) {
  const made = await Promise.allSettled(
    receivers.map(async (receiver) => [receiver.name, await notifier(receiver, secret, edges)] as const),
  );
  throwAll(made);
  return new Map(made.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
}

/**
 * Each type's code is loaded when there is a receiver of it: a gate needs none.
 * @throws {InputError} a URL in the config that leads to where the receiver may not be
 */
async function notifier(receiver: Receiver, secret: Secrets['secret'], edges: NotifierEdges): Promise<Notifier> {
  const { name, slack, webhook } = receiver;
  const { clients, pace, ...rest } = edges;
  const http = clients.get(name) as Http;
  if (slack !== undefined) {
    const { createSlackNotifier } = await import('./notifiers/slack.ts');
    return createSlackNotifier({ receiver: name, webhook: secret(slack.webhook), http: pace(http), ...rest });
  }
  if (webhook === undefined) throw new InputError(`receiver ${name}: has no type`);
  const { createWebhookNotifier } = await import('./notifiers/webhook.ts');
  const isReference = secretReference.test(webhook.url);
  if (!isReference) checkUrl(receiver, new URL(webhook.url));
  return createWebhookNotifier({
    receiver: name,
    url: isReference ? secret(webhook.url) : new URL(webhook.url),
    format: webhook.format,
    ...(webhook.signing_secret !== undefined && { signingSecret: secret(webhook.signing_secret) }),
    http,
    ...rest,
  });
}

/** What shows without DNS has to show before anything is done. */
function checkUrl(receiver: Receiver, url: URL): void {
  try {
    createGuard(receiver).check(url);
  } catch (error) {
    throw error instanceof HttpError ? new InputError(`receiver ${receiver.name}: url: ${error.message}`) : error;
  }
}

async function loadPolicies(config: Config): Promise<Map<string, Policy>> {
  const paths = [...new Set(config.sources.map((source) => source.policy))].filter((path) => !isS3(path));
  const loaded = await Promise.allSettled(paths.map(async (path) => [path, await loadPolicy(path)] as const));
  throwAll(loaded);
  return new Map(loaded.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
}

/** The code for S3 is loaded when there is something to read from it. */
async function openS3(options: S3Options): Promise<Objects> {
  const { openObjects } = await import('./s3/objects.ts');
  return openObjects(options);
}

/** That there is none concerns its sources, and no others. */
async function policyIn(book: PolicyBook, name: string, shared: Shared) {
  try {
    const { policy, note }: HeldPolicy = await book.current(name, shared);
    return { policy, policyNote: note };
  } catch (error) {
    if (!(error instanceof InputError) && !(error instanceof UndeterminedError)) throw error;
    return { policy: noPolicy, policyProblem: error };
  }
}

/**
 * Secrets of receivers, and of the heartbeat, that are not there, by whose they are. That one is missing has to show on the
 * first run, not in the night when the first alert is due.
 */
async function missingSecrets(
  config: Config,
  secret: Secrets['secret'],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const owners = config.receivers.map(
    (receiver) => [receiverName(receiver.name), receiverReferences(receiver)] as const,
  );
  const asked = [...owners, ['heartbeat', heartbeatReferences(config)] as const].map(async ([of, references]) => {
    const given = await Promise.allSettled(references.map((reference) => secret(reference)(false)));
    return [of, invalidIn(given)] as const;
  });
  return new Map((await Promise.all(asked)).filter(([, reasons]) => reasons.length > 0));
}

/**
 * All that is wrong with the input at once.
 * @param also is said with it, and is no reason to throw
 */
function throwAll(results: readonly PromiseSettledResult<unknown>[], also: readonly string[] = []): void {
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []));
  // What cannot be asked for just now may be there when it is used.
  const other = errors.find((error) => !(error instanceof InputError || error instanceof UndeterminedError));
  if (other !== undefined) throw other;
  const invalid = invalidIn(results);
  if (invalid.length > 0) throw new InputError([...new Set([...invalid, ...also])].join('\n'));
}

function invalidIn(results: readonly PromiseSettledResult<unknown>[]): string[] {
  return results.flatMap((result) =>
    result.status === 'rejected' && result.reason instanceof InputError ? [result.reason.message] : [],
  );
}

function limitsOf({ limits }: Config): ReportLimits {
  return {
    reportBytes: limits?.report_mib === undefined ? defaultLimits.reportBytes : limits.report_mib * 2 ** 20,
    rowBytes: limits?.row_mib === undefined ? defaultLimits.rowBytes : limits.row_mib * 2 ** 20,
    depth: limits?.depth ?? defaultLimits.depth,
  };
}

async function readInput(path: string, what: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (!isUtf8(bytes)) throw new InputError(`${what} ${path}: is not UTF-8`);
    return bytes.toString('utf8').replace(/^\ufeff/, '');
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${what} ${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`);
  }
}
