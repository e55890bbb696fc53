import type { KeptFinding } from './evaluation.ts';
import { identityNumber } from './fingerprint.ts';
import type { FindingKind } from './report.ts';

/**
 * Where a vulnerability that is new came from: with an image version that the report before did not name, or disclosed
 * in one that it did. A report names an image only for its vulnerabilities.
 */
export type Origin = 'new-image' | 'disclosed';

/** A finding as alert memory keeps it: what a message shows of it, each text cut short. */
export interface NamedFinding extends KeptFinding {
  readonly identity: number;
  /** As it was when the finding came. */
  readonly origin?: Origin | undefined;
}

/** What a message shows of a finding. */
const shown: Readonly<Record<FindingKind, readonly string[]>> = {
  vulnerabilities: ['severity', 'image', 'image_version', 'vulnerability', 'package', 'package_version', 'solution'],
  baseline_checks: ['severity', 'check', 'check_type', 'standard', 'rules_checked', 'rules_failed'],
  baseline_items: ['severity', 'item', 'remediation', 'check', 'standard'],
  privileged_containers: ['container', 'status', 'pod', 'host', 'public_ip', 'summary'],
  ports: ['port', 'listen_address', 'path', 'container', 'pod', 'host', 'public_ip'],
  packages: ['package', 'package_version', 'container', 'host'],
  processes: ['command', 'user', 'container', 'host'],
  cluster: ['name'],
};

/** So many characters of a text are kept; a name that is longer tells no image from another. */
export const namedTextLength = 200;

/** Control characters take six bytes in JSON; a message would not show them anyway. */
function short(text: string): string {
  const plain = text.replaceAll(/\p{Cc}/gu, ' ');
  return plain.length <= namedTextLength ? plain : `${plain.slice(0, namedTextLength - 1).toWellFormed()}…`;
}

export function nameFinding(kind: FindingKind, { fingerprint, fields }: KeptFinding): NamedFinding {
  const entries = shown[kind].flatMap((field) => {
    const value = fields[field];
    return value === undefined ? [] : [[field, typeof value === 'string' ? short(value) : value] as const];
  });
  return { fingerprint, identity: identityNumber(kind, fields), fields: Object.fromEntries(entries) };
}
