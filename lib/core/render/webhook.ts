import type { BrokenGroup, Evaluation, KeptFinding, Reason, RuleResult } from '../evaluation.ts';
import type { Notice } from '../notice.ts';
import { findingEntry, groupEntry, type Result, resultOf, ruleEntry } from './json.ts';
import { brokenGroups, byUrgency, isoTime } from './words.ts';

/** Entries that had no room. Findings and groups are counted in their rule: `omitted`, `omitted_groups`. */
export interface LeftOut {
  readonly rules: number;
  readonly reasons: number;
  readonly waivers: number;
  readonly notes: number;
}

interface Head {
  readonly version: 1;
  /** The notice's: the same on every attempt. */
  readonly id: string;
  readonly at: string | null;
  readonly source: string;
}

export type WebhookDocument = Head &
  (
    | { readonly type: 'portcullis.evaluation'; readonly result: Result; readonly left_out: LeftOut }
    | { readonly type: 'portcullis.source'; readonly reasons: readonly Reason[]; readonly left_out: number }
  );

/** What every intermediary of a CloudEvent must forward, and as much as many receivers of webhooks take. */
export const documentBytes = 64 * 1024;

/** Longer names and ids are cut: no receiver needs them, and they would crowd out all else. */
const longestName = 512;

/** The notice as a document of less than 64 KiB of JSON, in which what has no room is counted. */
export function renderWebhook(notice: Notice): WebhookDocument {
  const { id, atMs } = notice;
  const head = { version: 1 as const, id, at: isoTime(atMs), source: shortName(notice.source) };
  // The braces, the keys and the numbers that are not known yet.
  const room = roomOf(documentBytes - bytesOf(head) - 512);

  if (notice.about === 'source') {
    const reasons = notice.reasons.filter(room);
    return { ...head, type: 'portcullis.source', reasons, left_out: notice.reasons.length - reasons.length };
  }
  const whole = notice.evaluation;
  const part = within(room, whole);
  const leftOut = {
    rules: whole.rules.length - part.rules.length,
    reasons: whole.reasons.length - part.reasons.length,
    waivers: whole.waivers.length - part.waivers.length,
    notes: whole.notes.length - part.notes.length,
  };
  return { ...head, type: 'portcullis.evaluation', result: resultOf(part), left_out: leftOut };
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

/** Whether an entry still fits; if so, it takes its place. */
type Room = (entry: unknown) => boolean;

function roomOf(bytes: number): Room {
  let left = bytes;
  return (entry) => {
    const needed = bytesOf(entry) + 1;
    if (needed > left) return false;
    left -= needed;
    return true;
  };
}

const encoder = new TextEncoder();

function bytesOf(value: unknown): number {
  return encoder.encode(JSON.stringify(value)).length;
}

function shortName(text: string): string {
  return text.length > longestName ? `${text.slice(0, longestName - 1).toWellFormed()}…` : text;
}
