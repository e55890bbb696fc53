import { advance } from '../../../lib/core/alerts.ts';
import { owe } from '../../../lib/core/deliveries.ts';
import { EvaluationFold } from '../../../lib/core/evaluate.ts';
import type { Evaluation } from '../../../lib/core/evaluation.ts';
import { newsOf } from '../../../lib/core/news.ts';
import { renderSlack } from '../../../lib/core/render/slack.ts';
import { answer, args } from './answer.ts';
import { sampleFindings } from './sample-findings.ts';
import { factsOf, nowMs, policyOf } from './sample-policy.ts';
import { threadMs } from './thread-time.ts';

/** As many violations as findings, in one message; in a fresh process, as in a function that was started for it. */
const [count] = args();
const findings = sampleFindings(Number(count));
const policy = policyOf('  - {id: all, on: vulnerabilities, max: 0}');
const dayMs = 86_400_000;

const evaluated = await threadMs(() => {
  const fold = new EvaluationFold(policy, nowMs, { track: true });
  for (const finding of findings) fold.push('vulnerabilities', finding);
  return fold.finish({ cluster: {}, facts: factsOf(findings.length) });
});
const rendered = await threadMs(() => {
  const message = messageOf(evaluated.value);
  return { ...message, text: JSON.stringify(message.payload) };
});

answer({
  evaluateMs: evaluated.ms,
  renderMs: rendered.ms,
  found: evaluated.value.rules[0]?.count ?? 0,
  told: rendered.value.accounts[0]?.total ?? 0,
  bytes: Buffer.byteLength(rendered.value.text),
});

/** From an evaluation to a message, as a scan does it for a receiver that knows nothing yet. */
function messageOf(evaluation: Evaluation) {
  const alerts = advance([], evaluation, undefined, nowMs, { reopenWithinMs: 7 * dayMs });
  const options = {
    announce: 'all',
    remindMs: { critical: dayMs, high: 3 * dayMs, medium: 7 * dayMs, low: 30 * dayMs },
    wants: () => true,
    silencedUntilMs: () => undefined,
  } as const;
  const owed = owe('bench c-1', 'chat', alerts, {}, options, nowMs);
  if (owed === undefined) throw new Error('slack: nothing is owed');
  const news = newsOf(owed.items, {
    cluster: evaluation.cluster,
    policy: policy.name,
    reportId: evaluation.report.id,
    scannedAtMs: evaluation.report.scannedAtMs,
    alerts,
    messages: new Map(),
  });
  return renderSlack({ id: owed.id, source: 'bench', atMs: nowMs, about: 'alerts', ...news });
}
