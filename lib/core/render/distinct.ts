import type { KeptFinding } from '../evaluation.ts';

/** Findings that count as one: the containers of a workload, a row that is there twice. */
export interface DistinctFinding<Kept extends KeptFinding> {
  readonly finding: Kept;
  readonly times: number;
}

/** By fingerprint, in the order in which each came first. */
export function distinctFindings<Kept extends KeptFinding>(
  findings: readonly Kept[],
): readonly DistinctFinding<Kept>[] {
  const distinct = new Map<string, DistinctFinding<Kept>>();
  for (const finding of findings) {
    const known = distinct.get(finding.fingerprint);
    distinct.set(finding.fingerprint, { finding: known?.finding ?? finding, times: (known?.times ?? 0) + 1 });
  }
  return [...distinct.values()];
}
