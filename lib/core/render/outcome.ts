import type { Evaluation, RuleResult } from '../evaluation.ts';

/**
 * What a rule means for whoever waits for the verdict.
 *
 * - `failure`: it fails the verdict
 * - `undetermined`: it cannot be judged, and so keeps the verdict from being a pass
 * - `warning`, `observed`: broken or not to be judged, without a say in the verdict
 * - `waived`: it holds only since findings are waived
 */
export type Outcome = 'failure' | 'undetermined' | 'warning' | 'observed' | 'waived' | 'pass';

export function outcomeOf(rule: RuleResult, evaluation: Evaluation): Outcome {
  switch (rule.status) {
    case 'fail':
      return 'failure';
    case 'warn':
      return isStrict(evaluation) ? 'failure' : 'warning';
    case 'observed':
      return 'observed';
    case 'undetermined':
      return rule.enforce === 'observe' ? 'observed' : 'undetermined';
    case 'pass':
      return isHeldByWaivers(rule) ? 'waived' : 'pass';
  }
}

/**
 * A verdict that fails although no rule that blocks is broken fails by its warnings, as `--strict` asks. Beside a rule
 * that blocks, warnings are told as such: the verdict does not show whether they would have failed it too.
 */
function isStrict({ verdict, rules }: Evaluation): boolean {
  return verdict === 'fail' && !rules.some(({ status }) => status === 'fail');
}

/** Of a rule with `per` that holds it is not known how many findings its groups would have had. */
function isHeldByWaivers({ per, count, waived, max }: RuleResult): boolean {
  return waived > 0 && (per === undefined ? count + waived > max : count === 0);
}
