import { identity } from './fingerprint.ts';
import { maskCommand } from './mask.ts';
import { type Finding, type FindingKind, fields } from './report.ts';
import { type FindingSeverity, severityRank } from './severity.ts';
import { cutText } from './text.ts';

/** Worst first, then by what identifies a finding, then by all the rest: 0 only for findings that are equal. */
export function compareFindings(kind: FindingKind): (a: Finding, b: Finding) => number {
  const all = Object.keys(fields[kind]);
  const first = kind === 'privileged_containers' ? ['status'] : [];
  const rest = [...new Set([...first, ...identity[kind], ...all])].filter((f) => f !== 'severity' && all.includes(f));
  const ranked = all.includes('severity');
  return (a, b) => {
    if (ranked) {
      const difference = severityRank(a.severity as FindingSeverity) - severityRank(b.severity as FindingSeverity);
      if (difference !== 0) return difference;
    }
    for (const field of rest) {
      const [left, right] = [a[field], b[field]];
      const difference = left === right ? 0 : compareValues(shown(field, left), shown(field, right));
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

/** Absent first, then numbers, then texts by code unit: the same on every machine, whatever its language. */
export function compareValues(a: string | number | undefined, b: string | number | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : 1;
}

/** A plain copy of a finding, fields in the order of the catalogue, command lines masked, texts cut. */
export function copyFinding(kind: FindingKind, finding: Finding): Finding {
  const copy: Record<string, string | number> = {};
  for (const field of Object.keys(fields[kind])) {
    const value = finding[field];
    if (value === undefined) continue;
    copy[field] = shown(field, value) as string | number;
  }
  return copy;
}

/** As it is kept and shown; of what is so already, the same. */
export function shown(field: string, value: string | number | undefined): string | number | undefined {
  if (typeof value !== 'string') return value;
  return cutText(field === 'command' ? maskCommand(value) : value);
}
