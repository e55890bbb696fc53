import type { BrokenGroup, Evaluation, KeptFinding, RuleResult } from '../evaluation.ts';
import { findingEntry, groupEntry, resultOf, ruleEntry } from './json.ts';
import { type Room, shortName } from './room.ts';
import type { EvaluationDocument } from './webhook-schema.ts';
import { brokenGroups, byUrgency } from './words.ts';

/** The evaluation as far as there is room, in which what has none is counted. */
export function evaluationPart(whole: Evaluation, room: Room): Pick<EvaluationDocument, 'result' | 'left_out'> {
  const part = within(room, whole);
  return {
    result: resultOf(part),
    left_out: {
      rules: whole.rules.length - part.rules.length,
      reasons: whole.reasons.length - part.reasons.length,
      waivers: whole.waivers.length - part.waivers.length,
      notes: whole.notes.length - part.notes.length,
    },
  };
}

/** Every list as far as there is room, then findings and groups: the worst of each rule before the next of any. */
function within(room: Room, evaluation: Evaluation): Evaluation {
  const { cluster, report, policy } = evaluation;
  const bare = {
    ...evaluation,
    cluster: { id: shortName(cluster.id), name: shortName(cluster.name), category: shortName(cluster.category) },
    report: { ...report, id: shortName(report.id) },
    policy: { ...policy, name: shortName(policy.name) },
    rules: [],
    reasons: [],
    waivers: [],
    notes: [],
  };
  room(resultOf(bare));

  const reasons = evaluation.reasons.filter(room);
  const rules = new Map<RuleResult, { findings: KeptFinding[]; groups: BrokenGroup[] }>();
  for (const rule of byUrgency(evaluation.rules)) {
    if (room(ruleEntry(withOnly(rule, [], [])))) rules.set(rule, { findings: [], groups: [] });
  }
  const waivers = evaluation.waivers.filter(room);
  const notes = evaluation.notes.filter(room);

  const depth = Math.max(
    0,
    ...[...rules.keys()].map((rule) => Math.max(rule.findings.length, rule.groups?.length ?? 0)),
  );
  for (let i = 0; i < depth; i++) {
    for (const [rule, kept] of rules) {
      const group = rule.groups?.[i];
      if (group && room(groupEntry(rule.on, group))) kept.groups.push(group);
      const finding = rule.findings[i];
      if (finding && room(findingEntry(rule.on, finding))) kept.findings.push(finding);
    }
  }

  const inPolicyOrder = evaluation.rules.flatMap((rule) => {
    const kept = rules.get(rule);
    return kept ? [withOnly(rule, kept.findings, kept.groups)] : [];
  });
  return { ...bare, rules: inPolicyOrder, reasons, waivers, notes };
}

function withOnly(rule: RuleResult, findings: readonly KeptFinding[], groups: readonly BrokenGroup[]): RuleResult {
  const omitted = rule.count - findings.length;
  return { ...rule, findings, omitted, groups, omittedGroups: brokenGroups(rule) - groups.length };
}
