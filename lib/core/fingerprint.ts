import { hash } from 'node:crypto';
import type { Finding, FindingKind } from './report.ts';
import { cutText } from './text.ts';

/**
 * The fields that make a finding the same one tomorrow: never counts, texts, times, addresses, or ids that change when
 * a container restarts. `workload` stands for the pod's name without what Kubernetes appends to it.
 */
export const identity: Readonly<Record<FindingKind, readonly string[]>> = {
  vulnerabilities: ['image', 'image_version', 'vulnerability', 'package', 'package_version'],
  baseline_checks: ['check', 'check_type', 'standard'],
  baseline_items: ['check', 'check_type', 'standard', 'item'],
  privileged_containers: ['container', 'workload'],
  ports: ['container', 'workload', 'port', 'listen_address', 'path'],
  packages: ['container', 'package', 'package_version'],
  processes: ['container', 'user', 'hash'],
  cluster: [],
};

/** What it takes to say that it is the same one, and no worse. */
const naming: Readonly<Record<FindingKind, readonly string[]>> = {
  vulnerabilities: ['image', 'vulnerability', 'package'],
  baseline_checks: ['check', 'rules_failed'],
  baseline_items: ['check', 'item'],
  privileged_containers: ['container', 'pod'],
  ports: ['port'],
  packages: ['package'],
  processes: ['hash'],
  cluster: [],
};

/** Fields that change with every release, by what has them: a finding that is there in the next one too is not a new one. */
export const releaseFields: ReadonlyMap<string, string> = new Map([
  ['image_version', 'image'],
  ['package_version', 'package'],
]);

/** The fields that tell it apart from others of its kind from release to release. */
export const lasting = Object.fromEntries(
  Object.entries(identity).map(([kind, of]) => [kind, of.filter((field) => !releaseFields.has(field))]),
) as unknown as typeof identity;

/** 32 hex digits over cluster, rule and the finding's identity. */
export function fingerprint(clusterId: string, ruleId: string, kind: FindingKind, finding: Finding): string {
  return hash('sha256', JSON.stringify([clusterId, ruleId, kind, ...valuesOf(identity[kind], finding)]), 'hex').slice(
    0,
    32,
  );
}

/** What tells a finding apart from others of its kind from release to release, as a whole number of 48 bits. */
export function identityNumber(kind: FindingKind, finding: Finding): number {
  return textNumber(JSON.stringify(valuesOf(lasting[kind], finding)));
}

/** What a finding would have to say to be known again, and does not. */
export function missingNames(kind: FindingKind, finding: Finding): readonly string[] {
  return naming[kind].filter((field) => finding[field] === undefined);
}

/** An image version, as a key. */
export function imageKey({ image, image_version }: Finding): string {
  return JSON.stringify([image ?? null, image_version ?? null]);
}

/** A group of a rule with `per`. */
export function groupNumber(group: Readonly<Record<string, string | number>>): number {
  return textNumber(JSON.stringify(Object.entries(group).sort()));
}

/** A text as a whole number of 48 bits. */
export function textNumber(text: string): number {
  // A character for each byte is had sooner than a Buffer, or hex digits.
  const bytes = hash('sha256', text, 'binary');
  let number = 0;
  for (let i = 0; i < 6; i++) number = number * 256 + bytes.charCodeAt(i);
  return number;
}

function valuesOf(of: readonly string[], finding: Finding): (string | number | null)[] {
  return of.map((field) => {
    const value = field === 'workload' ? workload(finding.pod) : finding[field];
    // As it is kept, so that a finding and its copy are the same.
    return typeof value === 'string' ? cutText(value) : (value ?? null);
  });
}

// Kubernetes draws suffixes from letters and digits that cannot spell words: no vowels, no 0, 1, 3.
const replicaSetPod = /-[bcdfghjklmnpqrstvwxz2456789]{6,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/;
const daemonSetOrJobPod = /-[bcdfghjklmnpqrstvwxz2456789]{5}$/;
/** A CronJob calls its Jobs by the time, in minutes since 1970; before Kubernetes 1.21 in seconds. */
const cronJobPod = /-\d{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/;

/** `checkout-7d9c6b5f4d-x2k8p` and `checkout-29385941-x2k8p` -> `checkout`; the number of a StatefulSet's pod stays, as it does on a restart. */
export function workload(pod: string | number | undefined): string | undefined {
  if (typeof pod !== 'string') return undefined;
  const suffix = [cronJobPod, replicaSetPod, daemonSetOrJobPod].find((one) => one.test(pod));
  return suffix === undefined ? pod : pod.replace(suffix, '');
}
