import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { answerGate } from '../../functions/gate.ts';
import { createInstance } from '../../functions/instance.ts';
import { runScan } from '../../functions/scan.ts';
import { type SimulatedCluster, worldClusters } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { type Loopback, listen } from '../../lib/simulator/loopback.ts';
import { listReports } from '../../lib/simulator/security-check.ts';
import { Canaries, canaryText, type Sink } from './canaries.ts';
import { command, type Ran } from './command.ts';
import { lineLogging } from './logging.ts';

/** How a server answers: as it should, or so that what it was asked, and all it should not know, comes back. */
export type Manner =
  | 'fine'
  | `status ${number}`
  | 'malformed'
  | 'truncated'
  | 'page'
  | 'redirect'
  | 'hang'
  | 'reset'
  | 'refused';

export interface CanaryWorldOptions {
  /** Of the list of reports, or with `report` of the reports that it names. */
  readonly hss?: Manner;
  readonly report?: Manner;
  /** Of every receiver but `witness`. */
  readonly receivers?: Manner;
  readonly secretsManager?: Manner | 'empty';
  readonly state?: string;
  /** What stands in the config instead. */
  readonly edit?: (config: string, canaries: Canaries) => string;
  /** What the references lead to instead; by variable, file or name in Secrets Manager. */
  readonly secrets?: Readonly<Record<string, string>>;
}

export interface Seen {
  readonly server: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface CanaryWorld {
  readonly canaries: Canaries;
  readonly folder: string;
  /** Requests to everything but the HSS of the simulator. */
  readonly seen: readonly Seen[];
  readonly hss: Hss;
  /** Everything that was said so far, apart from what servers got. */
  readonly said: Sink[];
  /** One server more that answers so. @returns its URL */
  serveBadly(server: string, manner: Manner): Promise<string>;
  /** A command, as of a time. */
  run(args: readonly string[], nowMs?: number): Promise<Ran>;
  /** The function, with so many milliseconds before it stops what it is at. @returns the error, if it throws */
  scanFunction(workMs: number): Promise<unknown>;
  gateFunction(cluster: string, workMs: number): Promise<number>;
  /** What is in the folder, but for the secrets themselves and the config that holds one. */
  files(): Promise<Sink[]>;
  close(): Promise<void>;
}

/** The receivers that fail together, and one that hears of it. */
export const failing = ['chat', 'hook', 'events', 'am'] as const;

/** Secrets in every place that a config knows; who is told what is said of them may know none. */
export async function startCanaryWorld(options: CanaryWorldOptions = {}): Promise<CanaryWorld> {
  const canaries = new Canaries();
  const seen: Seen[] = [];
  const said: Sink[] = [];
  const servers: Loopback[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-canary-'));
  const secret = (name: string) => canaries.make(name);
  const signing = (name: string) => {
    const key = Buffer.from(canaryText(`${name} key`)).toString('base64');
    canaries.make(`${name} key`);
    return `whsec_${canaries.make(name, key)}`;
  };

  const hss = await startHss({
    clusters: clustersWith(secret),
    credentials: { ak: secret('ak'), sk: secret('sk'), securityToken: secret('token') },
    projectId: '0605768a2d80d5d52f91c00b7a6c1234',
    nowMs: Date.now,
  });
  const serve = async (server: string, listener: RequestListener): Promise<string> => {
    const loopback = await listen((request, response) => {
      read(request).then((body) => {
        seen.push({ server, path: request.url ?? '', headers: request.headers, body });
        Object.assign(request, { text: body });
        listener(request, response);
      });
    });
    servers.push(loopback);
    return loopback.url;
  };
  // Nobody listens there, and nobody else will: a port that was closed goes to the next server.
  const closed = 'http://127.0.0.1:1';
  const elsewhere = await serve('elsewhere', (_, response) => response.end('ok'));
  const misbehave = (manner: Manner, request: IncomingMessage, response: ServerResponse) =>
    answerBadly(manner, request, response, canaries, elsewhere);

  const { hss: list = 'fine', report = 'fine', receivers = 'fine', secretsManager = 'fine' } = options;
  const mean = await serve('hss', (request, response) => {
    const url = new URL(request.url ?? '', 'http://hss');
    const isReport = /\/cluster-reports\/./.test(url.pathname);
    if (isReport || list !== 'fine') return misbehave(isReport ? report : list, request, response);
    const { status, headers, body } = listReports(hss.clusters, url.searchParams);
    response.writeHead(status, { ...headers }).end(body as Buffer);
  });
  const receiver = (name: string) =>
    serve(name, (request, response) => {
      if (receivers === 'fine') response.end('ok');
      else misbehave(receivers, request, response);
    });
  const urls = new Map<string, string>();
  for (const name of failing) urls.set(name, receivers === 'refused' ? closed : await receiver(name));
  urls.set('witness', await serve('witness', (_, response) => response.end('ok')));
  const at = (name: string) => urls.get(name) ?? '';
  const withUser = (name: string) => at(name).replace('//', `//user:${secret(`${name} password`)}@`);

  const values: Record<string, string> = {
    HSS_AK: hss.credentials.ak,
    HSS_SK: hss.credentials.sk,
    HSS_SECURITY_TOKEN: hss.credentials.securityToken ?? '',
    SLACK_URL: `${at('chat')}/services/T0/B0/${secret('chat path')}`,
    HOOK_SECRETS: `${signing('hook secret')} ${signing('older hook secret')}`,
    WITNESS_URL: `${at('witness')}/${secret('witness path')}`,
    'hss.json': JSON.stringify({
      ak: hss.credentials.ak,
      sk: hss.credentials.sk,
      security_token: hss.credentials.securityToken,
    }),
    'hook.json': JSON.stringify({ url: `${withUser('hook')}/in?token=${secret('hook token')}` }),
    'events-url': `${at('events')}/${secret('events path')}\n`,
    'events.json': JSON.stringify({ signing: signing('events secret'), other: secret('other member') }),
    ...options.secrets,
  };
  const names = Object.keys(values);
  for (const name of names.filter((one) => one.startsWith('events'))) {
    await writeFile(join(folder, name), values[name] ?? '');
  }
  const sm = await serve('secrets manager', (request, response) => {
    const { SecretId = '' } = JSON.parse((request as unknown as { text: string }).text || '{}');
    if (secretsManager === 'fine' || secretsManager === 'empty') {
      const SecretString = secretsManager === 'empty' ? '' : (values[SecretId] ?? '');
      response.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      response.end(JSON.stringify({ Name: SecretId, SecretString }));
    } else misbehave(secretsManager, request, response);
  });

  const env: Record<string, string> = {
    ...Object.fromEntries(names.filter((name) => /^[A-Z_]+$/.test(name)).map((name) => [name, values[name] ?? ''])),
    AWS_REGION: 'eu-west-1',
    AWS_ENDPOINT_URL_SECRETS_MANAGER: secretsManager === 'refused' ? closed : sm,
    PORTCULLIS_CONFIG: join(folder, 'portcullis.yaml'),
  };
  const isSimulated = list === 'fine' && report === 'fine';
  const endpoint = list === 'refused' ? closed : isSimulated ? hss.url : mean;
  const config = configOf(endpoint, `${at('am')}/api/v2/alerts?token=${secret('am token')}`, folder, options.state);
  await writeFile(join(folder, 'portcullis.yaml'), (options.edit ?? ((text) => text))(config, canaries));
  await writeFile(join(folder, 'production.yaml'), policy);

  const write = (line: string) => said.push({ where: 'log of a function', bytes: line });
  const invocation = (workMs: number, marginMs: number) => ({
    awsRequestId: 'r-1',
    getRemainingTimeInMillis: () => workMs + marginMs,
  });
  return {
    canaries,
    folder,
    seen,
    hss,
    said,
    serveBadly: (server, manner) =>
      manner === 'refused'
        ? Promise.resolve(closed)
        : serve(server, (request, response) => misbehave(manner, request, response)),
    async run(args, nowMs = Date.now()) {
      const isRemote = args.includes('--function') || args.includes('--url');
      const config = isRemote ? [] : ['--config', join(folder, 'portcullis.yaml')];
      const ran = await command([...args, ...config], { env, nowMs });
      const what = args.join(' ');
      said.push({ where: `standard output of ${what}`, bytes: ran.stdout });
      said.push({ where: `standard error of ${what}`, bytes: ran.stderr });
      return ran;
    },
    async scanFunction(workMs) {
      const error = await runScan(invocation(workMs, 15_000), createInstance(env, lineLogging(write))).then(
        (summary) => void said.push({ where: 'summary of a function', bytes: JSON.stringify(summary) }),
        (thrown: unknown) => thrown,
      );
      said.push({ where: 'error of a function', bytes: inspect(error, { depth: 9, showHidden: true }) });
      return error;
    },
    async gateFunction(cluster, workMs) {
      const answer = await answerGate({ cluster }, invocation(workMs, 3_000), createInstance(env, lineLogging(write)));
      said.push({ where: 'answer of a function', bytes: JSON.stringify(answer) });
      return answer.statusCode;
    },
    async files() {
      const own = (await readdir(folder)).filter((name) => !names.includes(name) && name !== 'portcullis.yaml');
      return Promise.all(own.map(async (name) => ({ where: name, bytes: await readFile(join(folder, name)) })));
    },
    async close() {
      await Promise.all([hss.close(), ...servers.map((server) => server.close())]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function read(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await request.toArray()).toString('latin1');
}

/** Everything comes back that came, with everything that is secret, in the body and in headers. */
function answerBadly(
  manner: Manner,
  request: IncomingMessage,
  response: ServerResponse,
  canaries: Canaries,
  elsewhere: string,
): void {
  const { method, url, headers } = request;
  const { text } = request as unknown as { text: string };
  const isAws = headers.authorization?.startsWith('AWS4') === true;
  const secrets = [...canaries.texts.values()];
  const echo = `${method} ${url} ${JSON.stringify(headers)} ${text.slice(0, 2_000)} ${secrets.join(' ')}`;
  const json = JSON.stringify({
    __type: secrets[0],
    error_code: secrets[1],
    error_msg: echo,
    error: { code: secrets[2], message: echo },
    message: echo,
    request_id: secrets.join(' '),
  });
  const echoes = {
    'x-request-id': secrets.join(' '),
    'x-amzn-requestid': secrets[1],
    'www-authenticate': `Basic realm="${secrets.join(' ')}"`,
    // A client of AWS would wait for it.
    ...(!isAws && { 'retry-after': '3600' }),
    date: new Date().toUTCString(),
  };
  const type = { 'content-type': 'application/json' };
  if (manner.startsWith('status ')) response.writeHead(Number(manner.slice(7)), { ...echoes, ...type }).end(json);
  else if (manner === 'malformed') response.writeHead(200, { ...echoes, ...type }).end(`{"${echo}`);
  else if (manner === 'page') response.writeHead(200, { ...echoes, 'content-type': 'text/html' }).end(`<p>${echo}</p>`);
  else if (manner === 'redirect')
    response.writeHead(302, { ...echoes, location: `${elsewhere}/?token=${secrets.join('-')}` }).end(echo);
  else if (manner === 'truncated') {
    response.writeHead(200, { ...echoes, ...type, 'content-length': json.length + 100 });
    response.write(json, () => response.destroy());
  } else if (manner === 'reset') request.socket.resetAndDestroy();
}

const policy = `version: 1
name: production
rules:
  - {id: no-critical, on: vulnerabilities, min_severity: Critical, max: 0, severity: critical}
  - {id: no-root-processes, on: processes, where: 'user == "root"', max: 0}
`;

/** prod-us, and in it processes with secrets in their command lines. */
function clustersWith(secret: (name: string) => string): SimulatedCluster[] {
  const commands = [
    `/usr/bin/mysqld --user=root password=${secret('password argument')}`,
    `/usr/bin/agent --token ${secret('token argument')}`,
    `/usr/bin/mysql -p${secret('short argument')}`,
    `/usr/bin/curl https://user:${secret('url argument')}@example.com/`,
    `TOKEN=${secret('assignment')} /bin/start`,
  ];
  return worldClusters(Date.now()).flatMap((cluster) => {
    const [first] = cluster.reports;
    if (cluster.name !== 'prod-us' || first === undefined) return [];
    const rows = commands.map((launch_params, i) => ({
      launch_params,
      user_name: 'root',
      permission: 'rwx',
      hash: 'ab'.repeat(16),
      pid: 100 + i,
      start_time: Date.now() - 1_000_000,
      container_name: 'app',
      container_id: 'c-1',
      host_name: 'node-1',
      private_ip: '10.0.0.1',
      public_ip: '',
    }));
    const report = { ...first.report, scan_time: Date.now() - 60_000, process_list: rows, process_num: rows.length };
    return [{ ...cluster, reports: [{ id: 'r-1', report }] }];
  });
}

function configOf(endpoint: string, alertmanager: string, folder: string, state = 'sqlite:state.db'): string {
  return `version: 1
sources:
  - name: prod
    region: ap-southeast-1
    project_id: 0605768a2d80d5d52f91c00b7a6c1234
    credentials: env://HSS
    endpoint: ${endpoint}
    iam_endpoint: ${endpoint}
    policy: production.yaml
receivers:
  - {name: chat, slack: {webhook: 'env://SLACK_URL'}, insecure: true}
  - {name: hook, webhook: {url: 'aws-sm://hook.json#url', signing_secret: 'env://HOOK_SECRETS'}, insecure: true}
  - name: events
    webhook:
      url: file://${folder}/events-url
      signing_secret: file://${folder}/events.json#signing
      format: cloudevents
    insecure: true
  - {name: am, webhook: {url: '${alertmanager}', format: alertmanager}, insecure: true}
  - {name: witness, webhook: {url: 'env://WITNESS_URL'}, insecure: true}
routes:
  - receivers: [chat, hook, events, am, witness]
alerts: {failing_after_runs: 1, owed_for: 1s}
state: ${state}
limits: {calls_per_minute: 10000}
`;
}
