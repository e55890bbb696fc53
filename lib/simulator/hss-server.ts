import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, gatewayError, hssError } from './answers.ts';
import type { LooseReport, SimulatedCluster } from './clusters.ts';
import { acceptsGzip, send } from './delivery.ts';
import { type FaultTarget, faultQueue } from './fault-queue.ts';
import { bentReport, contentAnswer, errorAnswer, type Fault, isReportFault } from './faults.ts';
import { type Api, gateway, type SimulatedCredentials } from './gateway.ts';
import { listProjects, type SimulatedProject } from './iam.ts';
import { reportJson } from './language.ts';
import { listen } from './loopback.ts';
import { randomOf } from './random.ts';
import { findReport, listReports } from './security-check.ts';

export type { Api, Fault, FaultTarget, SimulatedCredentials };

export interface HssOptions {
  readonly clusters: readonly SimulatedCluster[];
  readonly credentials: SimulatedCredentials;
  readonly projectId: string;
  /** The server's clock: for signatures, limits, `Date` and the record of calls. */
  readonly nowMs: () => number;
  /** Calls a minute of each API for each AK, 5 for the real one; default no limit. */
  readonly limitPerMinute?: number;
  /** What IAM knows; default the one project, named `ap-southeast-1`. */
  readonly projects?: readonly SimulatedProject[];
}

/** A call as it came in. */
export interface Call {
  /** Absent: no such API. */
  readonly api: Api | undefined;
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: nothing was answered (yet). */
  readonly status: number | undefined;
  readonly atMs: number;
}

export interface Hss {
  /** The endpoint of HSS and of IAM alike, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** In order of arrival, those that were refused included. */
  readonly calls: readonly Call[];
  /** May be replaced at any time: a new scan, a cluster that went away. */
  clusters: readonly SimulatedCluster[];
  /** May be replaced at any time: keys that were rotated. */
  credentials: SimulatedCredentials;
  /** Have a coming call fail, one that is signed rightly. */
  fail(fault: Fault, target?: FaultTarget): void;
  /** Kinds of the faults not used up yet, for tests to find empty. */
  pendingFaults(): Fault['kind'][];
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** HSS behind its gateway, and the part of IAM that looks up projects, on loopback. */
export async function startHss(options: HssOptions): Promise<Hss> {
  const calls: (Call & { status: number | undefined })[] = [];
  const faults = faultQueue();
  const entrance = gateway({ credentials: () => hss.credentials, limitPerMinute: options.limitPerMinute });
  const projects = options.projects ?? [{ id: options.projectId, name: 'ap-southeast-1' }];

  const server = await listen((request, response) => {
    handle(request, response).catch((error: Error) => response.destroy(error));
  });
  const hss: Hss = {
    url: server.url,
    port: server.port,
    calls,
    clusters: options.clusters,
    credentials: options.credentials,
    fail: (fault, target = {}) => faults.add(fault, target),
    pendingFaults: faults.pending,
    close: server.close,
    [Symbol.asyncDispose]: server.close,
  };
  return hss;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: target = '/' } = request;
    const { pathname, searchParams } = new URL(target, server.url);
    const call: (typeof calls)[number] = {
      api: method === 'GET' ? routeOf(pathname)?.api : undefined,
      method,
      path: pathname,
      query: Object.fromEntries(searchParams),
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      status: undefined,
      atMs: options.nowMs(),
    };
    calls.push(call);
    const requestId = randomOf(`request ${calls.length}`).hex(32);
    response.sendDate = false;
    response.setHeader('date', new Date(call.atMs).toUTCString());
    response.setHeader('server', 'api-gateway');
    response.setHeader('x-request-id', requestId);

    const body = Buffer.concat(await request.toArray());
    const refusal = refusalOf(call, target, body, requestId);
    const fault = refusal || !call.api ? undefined : faults.take(call.api, clusterOf(call));
    const answer = refusal ?? answerTo(call, searchParams, fault, requestId);
    if (fault?.kind !== 'hang' && fault?.kind !== 'reset') call.status = answer.status;
    const pack = call.api === 'report' && answer.status === 200 && acceptsGzip(call.headers['accept-encoding']);
    await send(response, answer, { pack, fault });
  }

  /** No such API, not signed rightly, too often, or not the caller's project. */
  function refusalOf(call: Call, target: string, body: Uint8Array, requestId: string): Answer | undefined {
    const { api, method, path, headers, atMs } = call;
    if (!api) return gatewayError(404, 'APIGW.0101', 'The API does not exist or has not been published', requestId);
    const refused = entrance.check({ method, target, headers, body }, api, atMs, requestId);
    if (refused) return refused;
    const { projectId = options.projectId } = routeOf(path) ?? {};
    if (projectId !== options.projectId) return hssError('HSS.0010', 'Access denied.');
    if ((headers['x-project-id'] ?? options.projectId) === options.projectId) return undefined;
    return gatewayError(403, 'APIGW.0302', 'The IAM user is not allowed to access the API', requestId);
  }

  function answerTo(call: Call, query: URLSearchParams, fault: Fault | undefined, requestId: string): Answer {
    if (fault?.kind === 'status' || fault?.kind === 'hss-error') return errorAnswer(fault, requestId);
    if (fault?.kind === 'empty' || fault?.kind === 'html' || fault?.kind === 'json') return contentAnswer(fault);
    if (call.api === 'projects') return listProjects(projects, query.get('name'));
    if (call.api === 'auth-projects') return listProjects(projects, null);
    if (call.api === 'list') return listReports(hss.clusters, query);
    const found = findReport(hss.clusters, routeOf(call.path)?.reportId ?? '', query);
    return 'status' in found ? found : reportAnswer(found.report, call.headers['x-language'], fault);
  }

  function clusterOf(call: Call): string | undefined {
    const reportId = routeOf(call.path)?.reportId;
    return hss.clusters.find(({ reports }) => reports.some(({ id }) => id === reportId))?.id;
  }
}

interface Route {
  readonly api: Api;
  /** Absent for IAM. */
  readonly projectId?: string;
  readonly reportId?: string;
}

const reportsPath = /^\/v5\/([^/]+)\/security-check\/containers\/cluster-reports(?:\/([^/]+))?$/;

function routeOf(path: string): Route | undefined {
  if (path === '/v3/projects') return { api: 'projects' };
  if (path === '/v3/auth/projects') return { api: 'auth-projects' };
  const [, projectId, reportId] = reportsPath.exec(path) ?? [];
  if (projectId === undefined) return undefined;
  return reportId === undefined ? { api: 'list', projectId } : { api: 'report', projectId, reportId };
}

function reportAnswer(stored: LooseReport, language: string | undefined, fault: Fault | undefined): Answer {
  if (language !== undefined && language !== 'en-us' && language !== 'zh-cn') {
    return hssError('HSS.0001', 'Invalid parameter: x-language.');
  }
  const headers = { 'content-type': 'application/json;charset=utf8' };
  const report = fault && isReportFault(fault) ? bentReport(fault, stored) : stored;
  if (Symbol.iterator in report) return { status: 200, headers, body: report };
  return { status: 200, headers, body: Buffer.from(reportJson(report, language)) };
}
