import { type Baseline, type Comparable, comparable, keptInBaseline, strangerTo } from './baseline.ts';
import { clockSkewMs, formatDuration } from './duration.ts';
import {
  type Evaluation,
  type Looked,
  type Note,
  type Reason,
  type RuleResult,
  type Seen,
  stops,
  verdictOf,
  type WaiverResult,
  type WayToGreen,
} from './evaluation.ts';
import { keptIdentities } from './identities.ts';
import { IdentityNumbers } from './identity-numbers.ts';
import { ImageVersions } from './image-versions.ts';
import { ImageFilter, type ImagePattern } from './images.ts';
import type { Policy } from './policy/parse.ts';
import { deficit, type Reconciled, reconcile, surplus, undercounted, understated } from './reconcile.ts';
import { type Excess, mostChanges, wayToGreen } from './remedies.ts';
import { type Finding, type FindingKind, type ListName, listNames, listOf, type ReportFacts } from './report.ts';
import { staleness } from './retime.ts';
import { RuleFold } from './rule-fold.ts';
import { suggest } from './suggest.ts';
import { type FollowedGroups, keptFindings, namedFindings, type Tracking } from './tally.ts';

/** What of a report was looked at, beside its findings. */
export interface Subject {
  /** As far as they are known. */
  readonly cluster: {
    readonly id?: string | undefined;
    readonly name?: string | undefined;
    readonly category?: string | undefined;
  };
  readonly reportId?: string | undefined;
  /** When the list of reports says that it was made; epoch milliseconds. Shown where no body says it; proves no age. */
  readonly listedAtMs?: number | undefined;
  /** `sha256:` and hex digits. */
  readonly digest?: string | undefined;
  /** What the body states; undefined when there is none. */
  readonly facts?: ReportFacts | undefined;
  /** The list of reports says of the same check that it found risks. */
  readonly isToldAtRisk?: boolean | undefined;
  /** What kept the report from being read, or read whole. */
  readonly problems?: readonly Reason[];
}

export interface EvaluateOptions {
  /** Instead of the policy's `max_report_age`. */
  readonly maxReportAgeMs?: number | undefined;
  /** A broken rule that only warns fails the verdict. */
  readonly strict?: boolean | undefined;
  /** Of vulnerabilities only those of these images count. */
  readonly images?: readonly ImagePattern[] | undefined;
  /** Only what is new or worse since then breaks a rule. */
  readonly baseline?: Baseline | undefined;
  /** Tell of each rule which findings there are: for alert memory, or all of them for a baseline. */
  readonly track?: boolean | 'baseline' | undefined;
  /** What is known of rules: of findings that are not, the worst are named too, and groups are followed as they were. */
  readonly known?: ReadonlyMap<string, KnownOfRule> | undefined;
}

export interface KnownOfRule {
  /** Of its findings. */
  readonly identities: ReadonlySet<number>;
  readonly groups: FollowedGroups;
}

/**
 * A policy over one report: push its findings as they come, then finish with what the report states of itself. Nothing
 * is kept but numbers and the worst findings of each rule.
 */
export class EvaluationFold {
  readonly #policy: Policy;
  readonly #nowMs: number;
  readonly #options: EvaluateOptions;
  readonly #rules: readonly RuleFold[];
  readonly #byKind = new Map<FindingKind, RuleFold[]>();
  readonly #since: Comparable | undefined;
  readonly #images: ImageVersions | undefined;
  readonly #filter: ImageFilter | undefined;
  /** Vulnerabilities of which it is not known of which image they are. */
  #imageless = 0;

  constructor(policy: Policy, nowMs: number, options: EvaluateOptions = {}) {
    this.#policy = policy;
    this.#nowMs = nowMs;
    this.#options = options;
    this.#images = options.track === true ? new ImageVersions() : undefined;
    this.#filter = options.images === undefined ? undefined : new ImageFilter(options.images);
    this.#since = options.baseline && comparable(options.baseline, policy, imageTexts(options));
    const grouped = policy.rules.filter(({ per }) => per !== undefined).length;
    const mostGroups = Math.min(mostFollowedGroups, Math.floor(mostFollowed / Math.max(1, grouped)));
    const numbers = new Map<FindingKind, IdentityNumbers>();
    this.#rules = policy.rules.map((rule) => {
      const waivers = policy.waivers.filter((waiver) => waiver.rule === rule.id);
      // Rules on the same findings ask for the same.
      const ofKind = numbers.get(rule.on) ?? new IdentityNumbers(rule.on);
      numbers.set(rule.on, ofKind);
      const tracking = trackingOf(rule.id, ofKind, options, this.#since, mostGroups);
      return new RuleFold(rule, waivers, nowMs, tracking, { left: mostChanges });
    });
    for (const fold of this.#rules) {
      this.#byKind.set(fold.rule.on, [...(this.#byKind.get(fold.rule.on) ?? []), fold]);
    }
  }

  push(kind: FindingKind, finding: Finding): void {
    if (kind === 'vulnerabilities' && this.#filter !== undefined) {
      const taken = this.#filter.takes(finding);
      if (taken === undefined) this.#imageless++;
      if (taken !== true) return;
    }
    for (const rule of this.#byKind.get(kind) ?? []) rule.push(finding);
    if (kind === 'vulnerabilities') this.#images?.add(finding);
  }

  finish(subject: Subject): Evaluation {
    const { facts } = subject;
    const clusterId = subject.cluster.id ?? facts?.clusterId ?? '';
    const scannedAtMs = facts?.scannedAtMs ?? subject.listedAtMs;
    const unread = subject.problems?.length || facts !== undefined ? (subject.problems ?? []) : [noReport];
    const whole = [
      ...unread,
      ...this.#ageProblems(facts, unread.length > 0),
      ...(facts === undefined || unread.length > 0
        ? []
        : [...this.#imageProblems(), ...nowhere(facts), ...this.#hidden(subject)]),
    ];
    if (facts !== undefined) this.push('cluster', clusterFinding(subject, facts));

    for (const fold of this.#rules) fold.settle();
    const plain = this.#rules.map((fold) => this.#judge(fold, facts, whole.length > 0, unread.length > 0, clusterId));
    const clusterName = subject.cluster.name ?? facts?.clusterName ?? '';
    const stranger =
      this.#options.baseline && strangerTo(this.#options.baseline, { clusterId, clusterName, scannedAtMs });
    const judged =
      stranger === undefined ? plain.map((one, i) => this.#ratcheted(one, i, clusterId, whole.length === 0)) : plain;
    const rules = judged.map(({ result }) => result);
    const reasons = [
      ...whole,
      ...mergeReasons(judged.filter((one) => this.#isDecisive(one)).flatMap(({ doubts }) => doubts)),
    ];
    const way = this.#wayToGreen(judged);
    return {
      verdict: verdictOf(rules, reasons, this.#options.strict === true),
      cluster: {
        id: clusterId,
        name: clusterName,
        category: subject.cluster.category ?? facts?.category ?? '',
      },
      report: {
        id: subject.reportId ?? '',
        scannedAtMs,
        ageSeconds: scannedAtMs === undefined ? undefined : Math.floor((this.#nowMs - scannedAtMs) / 1000),
        digest: subject.digest ?? '',
      },
      policy: { name: this.#policy.name, digest: this.#policy.digest },
      ...(this.#options.images !== undefined && { images: imageTexts(this.#options).sort() }),
      ...(this.#options.baseline !== undefined && { baseline: baselineFacts(this.#options.baseline) }),
      evaluatedAtMs: this.#nowMs,
      rules,
      reasons,
      notes: [
        ...narrowed(imageTexts(this.#options)),
        ...this.#sinceNotes(stranger),
        ...this.#notes(judged, facts, unread.length > 0),
      ],
      waivers: this.#waivers(),
      ...(way !== undefined && { wayToGreen: way }),
      counts: counts(facts),
      ...(facts !== undefined && { looked: looked(facts) }),
      ...(this.#images !== undefined && facts !== undefined && { seen: seen(facts, this.#images) }),
    };
  }

  /**
   * A rule that is broken only as it was is observed, and does not stop a deploy.
   * @param suffices the report as a whole is not in doubt: what is not in it is fixed
   */
  #ratcheted(one: Judged, i: number, clusterId: string, suffices: boolean): Judged {
    const { result } = one;
    const known = this.#since?.rules.get(result.id);
    if (known === undefined) return one;
    // Nobody accepted what a waiver covers beyond what it was granted for.
    if ((this.#rules[i] as RuleFold).waivers.overBroad.length > 0) return one;
    const isBroken = result.status === 'fail' || result.status === 'warn' || result.status === 'observed';
    const isListed = result.evidence === 'listed';
    // What is not listed cannot be told from what was there.
    if (isBroken && !isListed) return one;
    const { worse, findings, fixed, ...found } = (this.#rules[i] as RuleFold).compare(clusterId, known);
    const isNews = found.new > 0 || worse.length > 0;
    const tellsFixed = this.#since?.tellsFixed === true && suffices && one.doubts.length === 0;
    const since = { new: found.new, fixed: tellsFixed ? fixed : 0, before: known.count };
    // Of what is worse nothing is left out that is kept.
    const tellsNews = isBroken && found.new > 0;
    const shown = tellsNews ? findings : result.findings;
    const news = new Set(findings.map(({ fingerprint }) => fingerprint));
    const old = tellsNews ? result.findings.filter(({ fingerprint }) => !news.has(fingerprint)) : [];
    // What is not listed may be new.
    const asBefore = one.doubts.length > 0 && result.enforce !== 'observe' ? 'undetermined' : 'observed';
    return {
      ...one,
      result: {
        ...result,
        status: isBroken && !isNews ? asBefore : result.status,
        findings: shown,
        omitted: result.count - shown.length,
        ...(old.length > 0 && { knownFindings: old }),
        since,
      },
      worse: isBroken ? worse : [],
    };
  }

  #sinceNotes(stranger: string | undefined): Note[] {
    if (stranger !== undefined)
      return [{ message: `the baseline cannot be compared, so all findings count: ${stranger}` }];
    return (this.#since?.notes ?? []).map((message) => ({ message }));
  }

  /** Rules that need something else than changes are left out, and what they need is said: no step promises what is not so. */
  #wayToGreen(judged: readonly Judged[]): WayToGreen | undefined {
    const left: string[] = [];
    const excesses: Excess[] = [];
    for (const [i, { result, doubts }] of judged.entries()) {
      const { id, on, status, evidence, since, count } = result;
      if (!stops(status, this.#options.strict === true)) continue;
      const fold = this.#rules[i] as RuleFold;
      const { overBroad } = fold.waivers;
      for (const { waiver, count: covered } of overBroad) {
        left.push(
          `rule ${id}: waiver ${waiver.id} covers ${covered} findings and was granted for ${waiver.max_findings}: it has to cover less, or be granted for more`,
        );
      }
      if (overBroad.length > 0) continue;
      if (on === 'cluster') {
        left.push(`rule ${id}: it is about numbers of the cluster, which no change of one thing brings about`);
        continue;
      }
      if (evidence === 'reported') {
        left.push(`rule ${id}: the report counts ${count} findings that it does not list, so no change is known`);
        continue;
      }
      for (const { message } of doubts) left.push(`rule ${id}: ${message}`);
      excesses.push(...fold.excesses(since !== undefined));
      const known = this.#since?.rules.get(id);
      if (since !== undefined && known !== undefined && fold.staysWorse(known))
        left.push(`rule ${id}: what the baseline knows has become more, or worse, and has to be as it was`);
    }
    return wayToGreen(excesses, left);
  }

  /**
   * @param doubtful something keeps the whole report from being a pass
   * @param unread the body is not whole, so that its lists are short is no surprise
   */
  #judge(
    fold: RuleFold,
    facts: ReportFacts | undefined,
    doubtful: boolean,
    unread: boolean,
    clusterId: string,
  ): Judged {
    const { id, on } = fold.rule;
    const doubts: Reason[] = [];
    const { problem, relaxed, ...proof } = facts === undefined ? noFacts : reconcile(on, facts, this.#policy.reconcile);
    // The count is about all images.
    const evidence = on === 'vulnerabilities' && this.#filter !== undefined ? 0 : proof.evidence;
    if (problem !== undefined && !unread) doubts.push({ ...problem, rules: [id] });
    if (on === 'cluster' && facts !== undefined) doubts.push(...this.#clusterDoubts(fold, facts));
    if (on === 'vulnerabilities' && this.#imageless > 0) {
      const message = `${this.#imageless} of the vulnerabilities do not say of which image or version they are`;
      doubts.push({ kind: 'rule-unevaluable', message, rules: [id] });
    }
    const own = fold.problem();
    if (own !== undefined && !doubts.some((doubt) => doubt.kind === 'count-missing')) doubts.push(own);
    return { result: fold.result(clusterId, doubtful || doubts.length > 0, evidence), doubts, relaxed };
  }

  /** A count that a rule on the cluster asks for has to be there, and not below the rows that are listed. */
  #clusterDoubts(fold: RuleFold, facts: ReportFacts): Reason[] {
    const reasons: Reason[] = [];
    for (const field of fold.rule.where?.fields ?? []) {
      const counted = Object.hasOwn(clusterCounts, field) ? clusterCounts[field] : undefined;
      if (counted === undefined) continue;
      if (counted.of(facts) === undefined) {
        reasons.push({
          kind: 'count-missing',
          message: `the report does not state the count ${field}`,
          rules: [fold.rule.id],
        });
      }
      const { list } = counted;
      const message = list === undefined ? undefined : (understated(list, facts) ?? undercounted(list, facts));
      if (message !== undefined && this.#policy.reconcile === 'strict')
        reasons.push({ kind: 'count-mismatch', message, list: list as ListName, rules: [fold.rule.id] });
    }
    return reasons;
  }

  /** A body that was not read to its end may say its time after that. */
  #ageProblems(facts: ReportFacts | undefined, unread: boolean): Reason[] {
    if (facts === undefined) return [];
    const { scannedAtMs } = facts;
    if (scannedAtMs === undefined) {
      const message = 'the report does not say when it was made (scan_time), so it may be old';
      return unread ? [] : [{ kind: 'report-unreadable', message }];
    }
    const ageMs = this.#nowMs - scannedAtMs;
    if (ageMs < -clockSkewMs) {
      const message = `the report says it was made in ${formatDuration(-ageMs)} from now: its clock or this one is wrong`;
      return [{ kind: 'report-unreadable', message }];
    }
    const stale = staleness(scannedAtMs, this.#nowMs, this.#options.maxReportAgeMs ?? this.#policy.maxReportAgeMs);
    return stale === undefined ? [] : [stale];
  }

  /** What is not in the report was not checked, so it is not fine. */
  #imageProblems(): Reason[] {
    const { absent, names } = this.#filter ?? { absent: [], names: [] };
    const rules = this.#policy.rules.filter(({ on }) => on === 'vulnerabilities').map(({ id }) => id);
    return absent.map(({ text }) => {
      const message = `image ${text}: the report does not know it${knownImages(text, names)}`;
      return { kind: 'image-absent', message, ...(rules.length > 0 && { rules }) };
    });
  }

  /** A report without any risk, where there are some, does not show them. */
  #hidden({ facts, isToldAtRisk }: Subject): readonly Reason[] {
    const risky: readonly ListName[] = ['vulnerabilities', 'baseline_checks', 'privileged_containers'];
    const isClean = risky.every((list) => facts?.lists[list].listed === 0);
    if (isToldAtRisk !== true || !isClean || this.#policy.reconcile === 'off') return [];
    const message = 'the list of reports says that the cluster has risks, and the report shows none';
    return [{ kind: 'count-mismatch', message }];
  }

  #notes(judged: readonly Judged[], facts: ReportFacts | undefined, unread: boolean): Note[] {
    if (facts === undefined) return [];
    const notes: Note[] = (this.#filter?.notes ?? []).map((message) => ({ message }));
    const add = (note: Note) => {
      if (!notes.some((known) => known.message === note.message)) notes.push(note);
    };
    for (const { rule, waivers } of this.#rules) {
      for (const { waiver, count } of waivers.overBroad)
        add({
          message: `rule ${rule.id} is broken since waiver ${waiver.id} covers ${count} findings and was granted for ${waiver.max_findings}`,
        });
    }
    for (const { rule, nameless } of this.#rules) {
      if (nameless.length > 0)
        add({
          message: `rule ${rule.id}: findings that may be others than the baseline knows count as new: ${nameless.join(', ')}`,
        });
    }
    for (const { result, worse = [] } of judged) {
      if (worse.length > 0) add({ message: `rule ${result.id} is worse than in the baseline: ${worse.join('; ')}` });
    }
    for (const one of judged) {
      if (one.relaxed !== undefined)
        add({ message: `${one.relaxed}; accepted by reconcile: ${this.#policy.reconcile}` });
      if (!this.#isDecisive(one))
        for (const { message, list } of one.doubts) add({ message, ...(list !== undefined && { list }) });
    }
    const read = new Set(this.#policy.rules.map((rule) => listOf(rule.on)));
    for (const list of listNames) {
      const odd = surplus(list, facts) ?? (read.has(list) || unread ? undefined : deficit(list, facts));
      if (odd !== undefined) add({ message: odd, list });
    }
    if (facts.unknownKeys.length > 0) {
      add({
        message: `the report has keys that this version does not know: ${facts.unknownKeys.map(shownKey).join(', ')}`,
      });
    }
    return notes;
  }

  /**
   * A doubt decides nothing where the rule fails the verdict all the same, or never can. One that is broken and only warns
   * is as doubtful as it was: a finding more makes nothing better.
   */
  #isDecisive({ result }: Judged): boolean {
    return result.enforce !== 'observe' && !stops(result.status, this.#options.strict === true);
  }

  #waivers(): WaiverResult[] {
    const results = new Map(this.#rules.flatMap((fold) => fold.waivers.results()).map((result) => [result.id, result]));
    return this.#policy.waivers.flatMap((waiver) => results.get(waiver.id) ?? []);
  }
}

interface Judged {
  readonly result: RuleResult;
  /** What keeps the rule from being a pass. */
  readonly doubts: readonly Reason[];
  readonly relaxed: string | undefined;
  /** What the baseline knows of it and has become worse. */
  readonly worse?: readonly string[];
}

/** No report and no reason why: whoever asked forgot to look. */
const noReport: Reason = { kind: 'report-missing', message: 'there is no report' };

/** A report that found nothing since it looked at nothing is no evidence. */
function nowhere(facts: ReportFacts): readonly Reason[] {
  const { hosts, pods, containers } = facts;
  const isEmpty = Object.values(counts(facts)).every(({ listed }) => listed === 0);
  // One that does not say is no better.
  if (hosts || pods || containers || !isEmpty) return [];
  const says =
    hosts === 0 && pods === 0 && containers === 0
      ? 'says that it looked at no host, no pod and no container'
      : 'does not say that it looked at any host, pod or container, and lists nothing';
  return [{ kind: 'coverage-dropped', message: `the report ${says}` }];
}

const noFacts: Reconciled = { evidence: 0 };

/** The image that was most likely meant, or some of those that there are. */
function knownImages(text: string, names: readonly string[]): string {
  const near = suggest(text, names);
  if (near !== undefined) return `; did you mean ${near.slice(0, 200)}?`;
  if (names.length === 0) return ', nor any other with a vulnerability';
  const shown = names.slice(0, 5).map((name) => name.slice(0, 200));
  return `; it knows ${shown.join(', ')}${names.length > shown.length ? ` and ${names.length - shown.length} more` : ''}`;
}

/** Whoever reads a result has to know that it is not about the whole cluster. */
function narrowed(images: readonly string[]): readonly Note[] {
  if (images.length === 0) return [];
  const named = images.slice(0, 5).join(', ');
  const more = images.length > 5 ? ` and ${images.length - 5} more` : '';
  return [{ message: `of vulnerabilities only those of these images count: ${named}${more}` }];
}

function imageTexts({ images = [] }: EvaluateOptions): string[] {
  return images.map(({ text }) => text);
}

/** Groups that are followed one by one: of a rule, and of all rules. What a receiver was told of all is one record. */
const mostFollowedGroups = 100;
const mostFollowed = 2000;

function trackingOf(
  rule: string,
  numbers: IdentityNumbers,
  options: EvaluateOptions,
  since: Comparable | undefined,
  mostGroups: number,
): Tracking | undefined {
  if (since !== undefined || options.track === 'baseline') {
    const known = since?.rules.get(rule)?.identities;
    return {
      numbers,
      known,
      ranks: known,
      keep: keptInBaseline,
      named: keptFindings,
      mostGroups,
      isForBaseline: true,
    };
  }
  if (options.track !== true) return undefined;
  const { identities: known, groups } = options.known?.get(rule) ?? {};
  return { numbers, known, groups, mostGroups, keep: keptIdentities, named: namedFindings, isForBaseline: false };
}

function baselineFacts({ report }: Baseline) {
  return { reportId: report.id, scannedAtMs: Date.parse(report.scanned_at), digest: report.digest };
}

function looked({ hosts, pods, containers }: ReportFacts): Looked {
  return { hosts, pods, containers };
}

function seen(facts: ReportFacts, images: ImageVersions): Seen {
  return { ...looked(facts), images: images.numbers() };
}

/** One reason for all the rules that it concerns. */
function mergeReasons(reasons: readonly Reason[]): Reason[] {
  const merged = new Map<string, Reason>();
  for (const reason of reasons) {
    const key = `${reason.kind} ${reason.message}`;
    const known = merged.get(key);
    const rules = [...new Set([...(known?.rules ?? []), ...(reason.rules ?? [])])];
    merged.set(key, { ...reason, rules });
  }
  return [...merged.values()];
}

/** The counts that a rule on the cluster may ask for, and the list that each of them counts. */
const clusterCounts: Readonly<Record<string, ClusterCount>> = {
  vulnerabilities: ofList('vulnerabilities'),
  baseline_risks: ofList('baseline_checks'),
  privileged_containers: ofList('privileged_containers'),
  pods: { of: (facts) => facts.pods },
  hosts: { of: (facts) => facts.hosts },
  containers: { of: (facts) => facts.containers },
  ports: ofList('ports'),
  processes: ofList('processes'),
  packages: ofList('packages'),
};

interface ClusterCount {
  readonly of: (facts: ReportFacts) => number | undefined;
  readonly list?: ListName;
}

function ofList(list: ListName): ClusterCount {
  return { of: (facts) => facts.lists[list].reported, list };
}

/** What rules on the cluster look at. */
export function clusterFinding(subject: Subject, facts: ReportFacts): Finding {
  return {
    name: subject.cluster.name ?? facts.clusterName,
    id: subject.cluster.id ?? facts.clusterId,
    category: subject.cluster.category ?? facts.category,
    scanned_at: facts.scannedAtMs,
    ...Object.fromEntries(Object.entries(clusterCounts).map(([field, { of }]) => [field, of(facts)])),
  };
}

function counts(facts: ReportFacts | undefined): Evaluation['counts'] {
  const entries = listNames.map((list) => {
    const at = facts?.lists[list];
    return [list, { reported: at?.reported, listed: at?.listed ?? 0 }] as const;
  });
  return Object.fromEntries(entries) as Evaluation['counts'];
}

function shownKey(key: string): string {
  return JSON.stringify(key.slice(0, 60));
}
