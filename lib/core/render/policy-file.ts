/** What a format shows findings at: the policy is the file of the repository that they break. */
export interface FileOptions {
  /** Path of the policy, relative to the root of the repository where it is inside one. */
  readonly policyFile?: string | undefined;
}

/** For a format that has to name a file, where the policy came from none. */
const unknownFile = 'policy.yaml';

/** With `/`, and without `./` before it. */
export function policyPath({ policyFile }: FileOptions): string {
  return (policyFile || unknownFile).replaceAll('\\', '/').replace(/^(?:\.\/+)+/, '') || unknownFile;
}

/** As a URI: relative to the root of the repository, or absolute for a file outside. */
export function policyUri(options: FileOptions): { readonly uri: string; readonly uriBaseId?: '%SRCROOT%' } {
  const path = policyPath(options).toWellFormed();
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  if (/^[A-Za-z]:\//.test(path)) return { uri: `file:///${encoded.replace('%3A', ':')}` };
  if (path.startsWith('/')) return { uri: `file:///${encoded.replace(/^\/+/, '')}` };
  return { uri: encoded, uriBaseId: '%SRCROOT%' };
}
