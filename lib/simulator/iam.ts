import { type Answer, json } from './answers.ts';
import { randomOf } from './random.ts';

export interface SimulatedProject {
  readonly id: string;
  /** The region, for the project that every region has; others for sub-projects. */
  readonly name: string;
}

/** The part of IAM that finds the project of a region. @see hss-api: part 4 */
export function listProjects(projects: readonly SimulatedProject[], name: string | null): Answer {
  const domainId = randomOf('domain').hex(32);
  return json(200, {
    projects: projects
      .filter((project) => name === null || project.name === name)
      .map((project) => ({
        id: project.id,
        name: project.name,
        domain_id: domainId,
        parent_id: domainId,
        is_domain: false,
        enabled: true,
        description: '',
        links: { self: `https://iam.myhuaweicloud.com/v3/projects/${project.id}` },
      })),
    links: { self: 'https://iam.myhuaweicloud.com/v3/projects', previous: null, next: null },
  });
}
