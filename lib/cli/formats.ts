import { InputError } from '../core/errors.ts';
import type { Evaluation } from '../core/evaluation.ts';
import { hint } from '../core/suggest.ts';

export interface FormatOptions {
  readonly colour: boolean;
  readonly columns: number;
  /** Path of the policy, relative to the root of the repository where it is inside one. */
  readonly policyFile?: string | undefined;
  /** The file of the pipeline that runs the gate, where it is known. */
  readonly pipelineFile?: string | undefined;
}

export type Render = (evaluation: Evaluation, options: FormatOptions) => string;

/** Each format's code is loaded when it is asked for. */
const formats: Readonly<Record<string, () => Promise<Render>>> = {
  table: async () => (await import('../core/render/table.ts')).renderTable,
  json: async () => (await import('../core/render/json.ts')).renderJson,
  markdown: async () => (await import('../core/render/markdown.ts')).renderMarkdown,
  html: async () => (await import('../core/render/page.ts')).renderPage,
  github: async () => (await import('../core/render/github.ts')).renderGithub,
  gitlab: async () => (await import('../core/render/gitlab-codequality.ts')).renderGitlabCodequality,
  'gitlab-container': async () => (await import('../core/render/gitlab-container.ts')).renderGitlabContainer,
  sarif: async () => (await import('../core/render/sarif.ts')).renderSarif,
  junit: async () => (await import('../core/render/junit.ts')).renderJunit,
};

export const formatNames = Object.keys(formats);

/** @throws {InputError} there is no such format */
export async function loadFormat(name: string): Promise<Render> {
  const load = Object.hasOwn(formats, name) ? formats[name] : undefined;
  if (load === undefined) throw new InputError(`there is no format ${name}${hint(name, formatNames)}`);
  return load();
}

export interface Out {
  readonly format: string;
  readonly file: string;
}

/** `json=verdict.json` @throws {InputError} */
export function parseOut(text: string): Out {
  const at = text.indexOf('=');
  if (at <= 0 || at === text.length - 1)
    throw new InputError(`--out ${text}: has to be FORMAT=FILE, such as json=verdict.json`);
  if (text.slice(at + 1) === '-')
    throw new InputError(`--out ${text}: writes files; what is for standard output is named by --format`);
  return { format: text.slice(0, at), file: text.slice(at + 1) };
}
