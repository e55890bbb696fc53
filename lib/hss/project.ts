import * as z from 'zod/mini';
import { InputError, UndeterminedError } from '../core/errors.ts';
import { parseJson } from '../http/json.ts';
import { encodeQuery } from './sign.ts';

export const projectIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

const Project = z.object({
  id: z.string().check(z.regex(projectIdPattern)),
  name: z.string(),
  enabled: z.catch(z.boolean(), true),
});
type Project = z.infer<typeof Project>;

const Projects = z.object({ projects: z.array(Project) });

/** GET a path of IAM: its body, or undefined for a 403. */
export type GetFromIam = (path: string) => Promise<string | undefined>;

/**
 * The id of the one enabled project that is named as the region. Nothing is created, whatever is found.
 *
 * GET /v3/projects?name={region} needs the right to read IAM; without it, GET /v3/auth/projects still lists the projects
 * within reach.
 *
 * @param what begins the message of an error
 * @throws {InputError} none or several match; names what was found
 * @throws {UndeterminedError} source-unreachable
 */
export async function lookUpProject(what: string, region: string, get: GetFromIam): Promise<string> {
  const text = (await get(`/v3/projects?${encodeQuery([['name', region]])}`)) ?? (await get('/v3/auth/projects'));
  const { data } = z.safeParse(Projects, parseJson(text ?? ''));
  if (data === undefined) {
    throw new UndeterminedError(
      'source-unreachable',
      `${what}: IAM answered with something that is no list of projects; check the IAM endpoint, or set project_id`,
    );
  }
  const matches = data.projects.filter(({ name, enabled }) => name === region && enabled);
  const [match] = matches;
  if (match !== undefined && matches.length === 1) return match.id;
  throw new InputError(
    `${what}: ${matches.length} enabled projects are named ${region}, not one; set project_id; found: ${list(data.projects)}`,
  );
}

const shown = 10;

function list(projects: readonly Project[]): string {
  if (projects.length === 0) return 'none';
  const texts = projects
    .slice(0, shown)
    .map(({ id, name, enabled }) => `${JSON.stringify(name)} ${id}${enabled ? '' : ' (disabled)'}`);
  const more = projects.length - texts.length;
  return texts.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
