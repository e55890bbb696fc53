import { type EvaluateOptions, EvaluationFold } from '../core/evaluate.ts';
import type { Evaluation, Reason } from '../core/evaluation.ts';
import type { Policy } from '../core/policy/parse.ts';
import { isoTime } from '../core/render/words.ts';
import {
  type ClusterRow,
  type FindingKind,
  findingKinds,
  listNames,
  listOf,
  type ReportFacts,
} from '../core/report.ts';
import { undeterminedBy } from './out-of-time.ts';
import type { Bytes, ReadReport, ReportReader, ReportSource } from './ports.ts';

/** What is asked of a report: what comes of it by a policy, at a time. */
export interface Question {
  readonly policy: Policy;
  readonly nowMs: number;
  readonly options?: EvaluateOptions;
}

/** What a report is judged by. */
export interface Judge extends Question {
  readonly readReport: ReportReader;
}

/** A report at hand, by its bytes. */
export async function judgeBytes(body: Bytes, judge: Judge): Promise<Evaluation> {
  const fold = foldOf(judge);
  const report = await judge.readReport(body, kindsOf(judge), (kind, finding) => fold.push(kind, finding));
  return fold.finish({ cluster: {}, ...subjectOf(report) });
}

/** The newest report of a cluster of a source. What cannot be fetched or read is a reason in the evaluation. */
export async function judgeCluster(
  source: ReportSource,
  row: ClusterRow,
  judge: Judge,
  signal?: AbortSignal,
): Promise<Evaluation> {
  const [evaluation] = await judgeTogether(source, row, async () => [judge], judge.readReport, signal);
  return evaluation as Evaluation;
}

/**
 * The same for many questions, by one read.
 * @param asked called once, as late as can be: when there is a body to read, or none will come
 * @returns for each what it alone would have got; undefined where that is not known, since another one's list, which it does
 *   not read, broke the reading off
 */
export async function judgeTogether(
  source: ReportSource,
  row: ClusterRow,
  asked: () => Promise<readonly Question[]>,
  readReport: ReportReader,
  signal?: AbortSignal,
): Promise<readonly (Evaluation | undefined)[]> {
  const cluster = { id: row.clusterId, name: row.clusterName, category: row.category };
  const all = async (problem: Reason) => (await asked()).map((question) => undetermined(cluster, [problem], question));
  if (row.reportId === undefined || row.scannedAtMs === undefined) {
    if (row.vagueAtMs !== undefined) {
      const message = `cluster ${row.clusterName}: the list of reports does not tell which report is the newest, or when that was made`;
      return all({ kind: 'report-unreadable', message });
    }
    const message = `cluster ${row.clusterName} was never checked: HSS lists it without a report`;
    return all({ kind: 'report-missing', message });
  }
  let questions: readonly Question[] | undefined;
  let folds: readonly EvaluationFold[] = [];
  const known = { cluster, reportId: row.reportId, listedAtMs: row.scannedAtMs };
  try {
    const report = await source.read(
      row,
      async (body) => {
        const bytes = begun(body);
        questions ??= await asked();
        // A body that is tried again starts from nothing.
        folds = questions.map(foldOf);
        const kinds = questions.map(kindsOf);
        const byKind = new Map(findingKinds.map((kind) => [kind, folds.filter((_, i) => kinds[i]?.has(kind))]));
        const read = new Set(findingKinds.filter((kind) => byKind.get(kind)?.length));
        return readReport(bytes, read, (kind, finding) => {
          for (const fold of byKind.get(kind) ?? []) fold.push(kind, finding);
        });
      },
      signal,
    );
    const stranger = strangerProblem(row, report);
    const subject = { ...known, ...subjectOf(report), ...heldAgainst(row, report) };
    const list = report.problem?.list;
    return (questions ?? []).map((question, i) => {
      if (list !== undefined && ![...kindsOf(question)].some((kind) => listOf(kind) === list)) return undefined;
      // Another cluster's rows prove nothing about this one, and what was is not what is.
      if (stranger !== undefined) return undetermined(cluster, [stranger], question, known);
      return folds[i]?.finish(subject);
    });
  } catch (error) {
    const { reason } = undeterminedBy(error, source.name, signal);
    if (questions === undefined) folds = (await asked()).map(foldOf);
    // What was read before it broke off stays proven.
    return folds.map((fold) => fold.finish({ ...known, problems: [reason] }));
  }
}

/** A body that is listened to from now on, so that an end that comes before it is read is not missed. */
function begun(body: Bytes): Bytes {
  const pieces = body[Symbol.asyncIterator]();
  const first = pieces.next();
  first.catch(() => {});
  return (async function* () {
    try {
      for (let piece = await first; !piece.done; piece = await pieces.next()) yield piece.value;
    } finally {
      await pieces.return?.();
    }
  })();
}

function foldOf({ policy, nowMs, options }: Question): EvaluationFold {
  return new EvaluationFold(policy, nowMs, options);
}

/** The evaluation of a cluster of which there is no report to look at. */
export function undetermined(
  cluster: { readonly id?: string; readonly name?: string; readonly category?: string | undefined },
  problems: readonly Reason[],
  question: Question,
  known: { readonly reportId?: string; readonly listedAtMs?: number } = {},
): Evaluation {
  return foldOf(question).finish({ ...known, cluster, problems });
}

/**
 * Which images there are is told by the vulnerabilities, whatever the rules are about, and what the count of baselines should
 * be by those that failed.
 */
function kindsOf({ policy, options }: Question): ReadonlySet<FindingKind> {
  const ofImages: FindingKind[] = options?.images === undefined ? [] : ['vulnerabilities'];
  const asksForBaselines = policy.rules.some(
    ({ on, where }) => on === 'cluster' && where?.fields.has('baseline_risks'),
  );
  const ofBaselines: FindingKind[] = asksForBaselines ? ['baseline_checks'] : [];
  return new Set([...policy.rules.map((rule) => rule.on), ...ofImages, ...ofBaselines]);
}

function subjectOf({ facts, digest, problem }: ReadReport) {
  return { facts, digest, problems: problem === undefined ? [] : [problem] };
}

/** Why a body does not answer for the row that led to it. A newer one does: there may be a check since the list was made. */
function strangerProblem(row: ClusterRow, { facts }: ReadReport): Reason | undefined {
  const isOther =
    facts.clusterId === undefined
      ? facts.clusterName !== undefined && facts.clusterName !== row.clusterName
      : facts.clusterId !== row.clusterId;
  if (isOther) {
    const message = `report ${row.reportId} is about another cluster than the list of reports says`;
    return { kind: 'report-unreadable', message };
  }
  if (facts.scannedAtMs === undefined || timeOfBody(row, facts.scannedAtMs) !== 'older') return undefined;
  const message = `report ${row.reportId} is older than the list of reports says: the list says it was scanned ${timeText(row.scannedAtMs)}, the report itself ${timeText(facts.scannedAtMs)}`;
  return { kind: 'report-unreadable', message };
}

/** What the row says of a report, where both are of the same check: a body that shows less than its row says is not whole. */
function heldAgainst({ counts = {}, isAtRisk, ...row }: ClusterRow, { facts }: ReadReport) {
  if (facts.scannedAtMs === undefined || timeOfBody(row, facts.scannedAtMs) !== 'same') return {};
  const lists = listNames.map((list) => [list, { ...facts.lists[list], told: counts[list] }]);
  return { facts: { ...facts, lists: Object.fromEntries(lists) as ReportFacts['lists'] }, isToldAtRisk: isAtRisk };
}

function timeText(ms: number | undefined): string {
  return isoTime(ms) ?? 'at no time';
}

/**
 * Whether a body is the report that its row tells of. Neither unit is documented: a time in seconds, or cut to seconds, is
 * the same one.
 */
export function timeOfBody({ scannedAtMs: listed }: ClusterRow, stated: number): 'same' | 'older' | 'newer' {
  if (listed === undefined) return 'same';
  const isNear = (a: number, b: number) => Math.abs(a - b) < 1000;
  if (isNear(stated, listed) || isNear(stated * 1000, listed) || isNear(stated, listed * 1000)) return 'same';
  return stated < listed ? 'older' : 'newer';
}
