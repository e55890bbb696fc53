/** What a format shows findings at: the policy is the file of the repository that they break. */
export interface FileOptions {
  /** Path of the policy, relative to the root of the repository where it is inside one. */
  readonly policyFile?: string | undefined;
  /** The file of the pipeline, relative to the root of its repository: there is one where the policy is not at hand. */
  readonly pipelineFile?: string | undefined;
}

/** For a format that has to name a file, where nobody knows one. */
const unknownFile = 'policy.yaml';

/** With `/`, and without `./` before it. */
export function policyPath({ policyFile, pipelineFile }: FileOptions): string {
  return (policyFile || pipelineFile || unknownFile).replaceAll('\\', '/').replace(/^(?:\.\/+)+/, '') || unknownFile;
}

/** Where in that file something of the policy stands. In that of the pipeline it stands nowhere: waivers are told apart from rules. */
export function policyLine({ policyFile, pipelineFile }: FileOptions, line: number, isWaiver = false): number {
  if (policyFile || !pipelineFile) return line;
  return isWaiver ? 2 : 1;
}

/** As a URI: relative to the root of the repository, or absolute for a file outside. */
export function policyUri(options: FileOptions): { readonly uri: string; readonly uriBaseId?: '%SRCROOT%' } {
  const path = policyPath(options).toWellFormed();
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  if (/^[A-Za-z]:\//.test(path)) return { uri: `file:///${encoded.replace('%3A', ':')}` };
  if (path.startsWith('/')) return { uri: `file:///${encoded.replace(/^\/+/, '')}` };
  return { uri: encoded, uriBaseId: '%SRCROOT%' };
}
