import type { HssCalls } from '../lib/compose.ts';
import type { Evaluation } from '../lib/core/evaluation.ts';
import type { RunMetrics } from './metrics.ts';

/** To be asked for when a request comes: it is there before HSS and the table have answered, and no start waits for it. */
export async function gateMetrics(): Promise<RunMetrics> {
  const { powertoolsMetrics } = await import('./metrics.ts');
  return powertoolsMetrics();
}

const verdicts = { pass: 'GateVerdictPass', fail: 'GateVerdictFail', undetermined: 'GateVerdictUndetermined' } as const;

/** The figures of an answer of the gate: what the dashboard shows and an alarm looks at. */
export function addAnswer(
  metrics: RunMetrics,
  status: number,
  verdict: { readonly evaluation: Evaluation; readonly calls: HssCalls } | undefined,
): void {
  if (verdict === undefined) {
    metrics.add(status === 400 ? 'GateInvalid' : 'GateFailed', 1);
    return;
  }
  const { evaluation, calls } = verdict;
  metrics.add(verdicts[evaluation.verdict], 1);
  metrics.add('GateLetThrough', evaluation.isLetThrough ? 1 : 0);
  metrics.add('GateStored', evaluation.stored === undefined ? 0 : 1);
  metrics.add('HssCalls', calls.calls);
  metrics.add('HssThrottled', calls.throttled);
}
