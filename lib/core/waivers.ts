import type { WaiverResult } from './evaluation.ts';
import type { PolicyWaiver } from './policy/parse.ts';
import type { Finding } from './report.ts';

/**
 * The waivers of one rule, looked up by what they ask for: with a thousand waivers of `image == "a" && vulnerability ==
 * "b"`, a finding is tested against the few that name its vulnerability.
 */
export class WaiverIndex {
  /** For a field that waivers compare with a text: from that text to those waivers. */
  readonly #byField = new Map<string, Map<string, Entry[]>>();
  readonly #others: Entry[] = [];
  readonly #entries: Entry[];
  readonly #nowMs: number;

  constructor(waivers: readonly PolicyWaiver[], nowMs: number) {
    this.#nowMs = nowMs;
    this.#entries = waivers.map((waiver) => ({ waiver, expired: waiver.expires <= nowMs, count: 0 }));
    const values = new Map<string, Set<string>>();
    for (const { waiver } of this.#entries) {
      for (const [field, value] of waiver.where?.equalities ?? []) {
        const known = values.get(field) ?? new Set();
        values.set(field, known.add(value));
      }
    }
    for (const entry of this.#entries) {
      // The field with the most different values tells waivers apart best.
      const [best] = [...(entry.waiver.where?.equalities ?? [])].sort(
        ([a], [b]) => (values.get(b)?.size ?? 0) - (values.get(a)?.size ?? 0),
      );
      if (best === undefined) this.#others.push(entry);
      else {
        const [field, value] = best;
        const byValue = this.#byField.get(field) ?? new Map<string, Entry[]>();
        this.#byField.set(field, byValue.set(value, [...(byValue.get(value) ?? []), entry]));
      }
    }
  }

  /**
   * Whether a waiver in force covers the finding. Every waiver that covers it counts it, the expired ones too. A waiver
   * that cannot be told to cover it does not.
   */
  covers(finding: Finding): boolean {
    let covered = false;
    for (const [field, byValue] of this.#byField) {
      const candidates = byValue.get(finding[field] as string);
      if (candidates !== undefined && count(candidates, finding)) covered = true;
    }
    return count(this.#others, finding) || covered;
  }

  results(): WaiverResult[] {
    return this.#entries.map(({ waiver, expired, count }) => ({
      id: waiver.id,
      status: expired ? 'expired' : count > 0 ? 'used' : 'unused',
      count,
      rule: waiver.rule,
      owner: waiver.owner,
      reason: waiver.reason,
      ...(waiver.ticket !== undefined && { ticket: waiver.ticket }),
      expiresAtMs: waiver.expires,
      isExpiring: !expired && waiver.expires - this.#nowMs < expiringMs,
      line: waiver.line,
    }));
  }
}

/** A waiver that ends sooner is about to expire. */
const expiringMs = 14 * 86_400_000;

interface Entry {
  readonly waiver: PolicyWaiver;
  readonly expired: boolean;
  count: number;
}

function count(entries: readonly Entry[], finding: Finding): boolean {
  let covered = false;
  for (const entry of entries) {
    if (entry.waiver.where !== undefined && entry.waiver.where.test(finding) !== true) continue;
    entry.count++;
    if (!entry.expired) covered = true;
  }
  return covered;
}
