import * as z from 'zod/mini';
import type { Bytes, ReportSource } from '../app/ports.ts';
import { InputError, UndeterminedError } from '../core/errors.ts';
import { parseJson } from '../http/json.ts';
import { type CallerOptions, createCaller, describe, isStatus, readAnswer } from './call.ts';
import { hssEndpoint, iamEndpoint } from './endpoints.ts';
import { listAll, Page, pageSize } from './listing.ts';
import type { Api } from './pacer.ts';
import { lookUpProject, projectIdPattern } from './project.ts';
import { encodeQuery } from './sign.ts';

export interface HssSourceOptions extends CallerOptions {
  readonly region: string;
  /** Absent: looked up in IAM, once. */
  readonly projectId?: string | undefined;
  /** Default `all_granted_eps`: the API's own default, `0`, hides the clusters of all other enterprise projects. */
  readonly enterpriseProjectId?: string | undefined;
  /** For partner clouds and tests. */
  readonly endpoint?: string | undefined;
  readonly iamEndpoint?: string | undefined;
}

/**
 * One project of one region, read over the HSS API v5.
 *
 * Every call is a GET: it is tried again, signed anew, after network errors, time-outs, 429 and 5xx; after 401 and 403
 * only with other credentials, since failures lock a key. What the signal aborts ends with the signal's reason.
 *
 * @throws {InputError} region, endpoint or project id
 */
export function createHssSource(options: HssSourceOptions): ReportSource {
  const { name, region, enterpriseProjectId = 'all_granted_eps' } = options;
  const hss = hssEndpoint(region, options.endpoint);
  const iam = iamEndpoint(region, options.iamEndpoint);
  const call = createCaller(options);
  const enterpriseProject = ['enterprise_project_id', enterpriseProjectId] as const;
  let knownId = options.projectId;
  if (knownId !== undefined && !projectIdPattern.test(knownId)) {
    throw new InputError(`source ${name}: project_id: not the id of a project`);
  }

  async function projectId(signal?: AbortSignal): Promise<string> {
    knownId ??= await lookUpProject(describe(name, 'iam'), region, async (path) => {
      try {
        return await call({ api: 'iam', url: new URL(path, iam), headers: {}, consume: readAnswer, signal });
      } catch (error) {
        const forbidden = error instanceof UndeterminedError && isStatus(error.cause, 403);
        if (forbidden && path.startsWith('/v3/projects')) return undefined;
        throw error;
      }
    });
    return knownId;
  }

  async function get<T>(
    api: Api,
    path: string,
    query: readonly (readonly [string, string])[],
    consume: (body: Bytes) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const id = await projectId(signal);
    const url = new URL(`/v5/${id}/security-check/containers/cluster-reports${path}`, hss);
    url.search = encodeQuery([enterpriseProject, ...query]);
    const language = api === 'report' ? { 'x-language': 'en-us' } : {};
    return call({ api, url, headers: { 'x-project-id': id, ...language }, consume, signal });
  }

  return {
    name,
    async list(signal) {
      const what = describe(name, 'list');
      return listAll(what, async (offset) => {
        const query = [
          ['limit', String(pageSize)],
          ['offset', String(offset)],
        ] as const;
        const page = z.safeParse(Page, parseJson(await get('list', '', query, readAnswer, signal)));
        if (page.success) return page.data;
        throw new UndeterminedError(
          'source-unreachable',
          `${what}: HSS answered with something that is no list of reports; check endpoint and region`,
        );
      });
    },
    async read({ reportId }, consume, signal) {
      const what = describe(name, 'report');
      if (reportId === undefined) {
        throw new UndeterminedError('report-missing', `${what}: this cluster was never checked`);
      }
      // A dot alone would be another path.
      if (!/^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,64}$/.test(reportId)) {
        throw new UndeterminedError('report-unreadable', `${what}: what the list gives is not the id of a report`);
      }
      return get('report', `/${reportId}`, [], consume, signal);
    },
  };
}
