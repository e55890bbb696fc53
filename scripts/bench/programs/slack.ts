import { EvaluationFold } from '../../../lib/core/evaluate.ts';
import { renderSlack } from '../../../lib/core/render/slack.ts';
import { answer, args } from './answer.ts';
import { sampleFindings } from './sample-findings.ts';
import { factsOf, nowMs, policyOf } from './sample-policy.ts';
import { threadMs } from './thread-time.ts';

/** As many violations as findings, in one message; in a fresh process, as in a function that was started for it. */
const [count] = args();
const findings = sampleFindings(Number(count));
const policy = policyOf('  - {id: all, on: vulnerabilities, max: 0}');

const evaluated = await threadMs(() => {
  const fold = new EvaluationFold(policy, nowMs);
  for (const finding of findings) fold.push('vulnerabilities', finding);
  return fold.finish({ cluster: {}, facts: factsOf(findings.length) });
});
const evaluation = evaluated.value;
const rendered = await threadMs(() => {
  const message = renderSlack({ id: 'bench', source: 'bench', atMs: nowMs, about: 'cluster', evaluation });
  return { ...message, text: JSON.stringify(message.payload) };
});

answer({
  evaluateMs: evaluated.ms,
  renderMs: rendered.ms,
  found: evaluation.rules[0]?.count ?? 0,
  told: rendered.value.accounts[0]?.total ?? 0,
  bytes: Buffer.byteLength(rendered.value.text),
});
