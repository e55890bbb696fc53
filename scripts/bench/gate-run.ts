import { join } from 'node:path';
import type { Bench, ReportFile } from './bench.ts';
import type { Contender } from './contest.ts';
import type { Found, RuleSet } from './programs/tally.ts';

export function rulesFile(rules: RuleSet, kind: 'yaml' | 'jq'): string {
  return join(import.meta.dirname, 'rules', `${rules}.${kind}`);
}

/** `portcullis gate` on a report at hand, as it is shipped: bytes to verdict, digest and result included. */
export function portcullis(bench: Bench, report: ReportFile, rules: RuleSet): Contender {
  return {
    name: 'Portcullis',
    command: bench.command('portcullis', ...gateArgs(report, rules)),
    exitCodes: verdicts,
  };
}

/** The same without a build. */
export function portcullisFromSources(bench: Bench, report: ReportFile, rules: RuleSet): Contender {
  return { name: 'from a checkout', command: bench.checkout(...gateArgs(report, rules)), exitCodes: verdicts };
}

/** Pass or fail; undetermined would be a report that was not read. */
const verdicts = [0, 1];

function gateArgs(report: ReportFile, rules: RuleSet): string[] {
  return ['gate', '--report', report.path, '--policy', rulesFile(rules, 'yaml'), '--format', 'json'];
}

/** What a reader says it found: Portcullis by its result, the others as a plain object. */
export function foundIn(stdout: string): Found {
  const said = JSON.parse(stdout) as Found | { rules: { id: string; count: number }[] };
  return Array.isArray(said.rules)
    ? Object.fromEntries(said.rules.map(({ id, count }: { id: string; count: number }) => [id, count]))
    : (said as Found);
}

export function totalOf(found: Found | undefined): number {
  return Object.values(found ?? {}).reduce((sum, count) => sum + count, 0);
}
