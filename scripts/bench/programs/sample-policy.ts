import { type Policy, parsePolicy } from '../../../lib/core/policy/parse.ts';
import type { ListName, ReportFacts } from '../../../lib/core/report.ts';
import { listNames } from '../../../lib/core/report.ts';
import { formatIssue } from '../../../lib/core/yaml.ts';
import { celOf, type ExactWaiver, type OpenWaiver } from './sample-waivers.ts';

export const nowMs = Date.UTC(2026, 10, 2, 12);

/** @param rules YAML @param waivers all of rule `high`, with the dates they expire on */
export function policyOf(rules: string, waivers: readonly (ExactWaiver | OpenWaiver)[] = []): Policy {
  const entries = waivers.map((waiver, i) =>
    [
      `  - id: W-${i}`,
      '    rule: high',
      `    where: ${JSON.stringify(celOf(waiver))}`,
      '    reason: measured',
      '    owner: bench',
      '    expires: 2030-01-31',
    ].join('\n'),
  );
  const text = `version: 1\nname: bench\nrules:\n${rules}\nwaivers:${entries.length === 0 ? ' []' : `\n${entries.join('\n')}`}\n`;
  const { policy, issues } = parsePolicy(text, 'bench.yaml');
  if (policy === undefined) throw new Error(issues.map(formatIssue).join('\n'));
  return policy;
}

/** What a report with so many vulnerabilities and nothing else states. */
export function factsOf(vulnerabilities: number): ReportFacts {
  const list = (name: ListName) => {
    const listed = name === 'vulnerabilities' ? vulnerabilities : 0;
    return { reported: listed, listed, shape: 'array' as const };
  };
  return {
    clusterId: 'c-1',
    clusterName: 'bench',
    category: 'CCE',
    scannedAtMs: nowMs - 3_600_000,
    lists: Object.fromEntries(listNames.map((name) => [name, list(name)])) as unknown as ReportFacts['lists'],
    pods: 300,
    hosts: 12,
    containers: 400,
    unknownKeys: [],
  };
}
