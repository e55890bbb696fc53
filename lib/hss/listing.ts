import * as z from 'zod/mini';
import { UndeterminedError } from '../core/errors.ts';
import type { ClusterListing, ClusterRow } from '../core/report.ts';

/** Numbers may come as text. Anything else, null and the empty string included, is the same as absent. */
const text = z.catch(
  z.optional(
    z.pipe(
      z.union([z.string(), z.number()]),
      z.transform((value) => (String(value).trim() === '' ? undefined : String(value))),
    ),
  ),
  undefined,
);
const whole = z.pipe(
  z.union([z.number(), z.pipe(z.string().check(z.regex(/^\d+$/)), z.transform(Number))]),
  z.int().check(z.nonnegative()),
);
const count = z.catch(z.optional(whole), undefined);

export const Page = z.object({ total_num: whole, data_list: z.array(z.unknown()) });
export type Page = z.infer<typeof Page>;

const Row = z.object({
  cluster_id: text,
  cluster_name: text,
  cluster_category: text,
  report_id: text,
  scan_time: count,
  severity: text,
  local_image_vul_num: count,
  risk_config_num: count,
  privileged_container_num: count,
});

/** The most that the API takes. */
export const pageSize = 200;
const maxPages = 50;
const maxPasses = 3;

/** What one pass over the pages saw. */
interface Pass {
  /** By their own text, so that a row given twice counts once. */
  readonly rows: Map<string, ClusterRow>;
  readonly nameless: number;
  /** Of those that have not even the name of a cluster the newest: when that may be. */
  readonly namelessAtMs: number;
  /** The others. */
  readonly named: readonly ClusterRow[];
  /** The largest total that was told. */
  readonly total: number;
  /** Whether a cluster came on more than one page. */
  readonly repeats: boolean;
}

/**
 * All pages of the list, or none: half a list would read as clusters that are gone.
 *
 * The order is not documented and nothing keeps the list still between two pages, so a row may move over the edge of a
 * page and be missed. That shows as fewer distinct rows than were told, or, when a new report moved it, as a cluster on
 * two pages. The list is then read again: until the rows are as many as told, and no cluster came twice or the pass
 * before saw the very same.
 */
export async function listAll(what: string, getPage: (offset: number) => Promise<Page>): Promise<ClusterListing> {
  let found = '';
  let before = '';
  for (let times = 0; times < maxPasses; times++) {
    const { rows, nameless, namelessAtMs, named, total, repeats } = await listOnce(what, getPage);
    const seen = [...rows.keys()].sort().join('\n');
    const given = rows.size + nameless;
    if (given >= total && (!repeats || seen === before))
      return { clusters: newestOfEach(rows.values(), named), nameless, ...(namelessAtMs > 0 && { namelessAtMs }) };
    found = given < total ? `${total} rows are told and ${given} are given` : 'the pages change while they are read';
    before = seen;
  }
  throw new UndeterminedError(
    'source-unreachable',
    `${what}: ${found}, ${maxPasses} times; part of a list is not judged`,
  );
}

async function listOnce(what: string, getPage: (offset: number) => Promise<Page>): Promise<Pass> {
  const rows = new Map<string, ClusterRow>();
  const pageOf = new Map<string, number>();
  let nameless = 0;
  let namelessAtMs = 0;
  const named: ClusterRow[] = [];
  let total = 0;
  let repeats = false;
  for (let offset = 0, number = 1; number <= maxPages; number++) {
    const { data_list: list, total_num: told } = await getPage(offset);
    const before = rows.size + nameless;
    for (const raw of list) {
      const row = parseRow(raw);
      if (row.clusterId === '') {
        nameless += 1;
        if (row.clusterName === '') namelessAtMs = Math.max(namelessAtMs, timeOf(row));
        else named.push(row);
        continue;
      }
      rows.set(JSON.stringify(raw), row);
      repeats ||= (pageOf.get(row.clusterId) ?? number) !== number;
      pageOf.set(row.clusterId, number);
    }
    total = Math.max(total, told);
    offset += list.length;
    // More rows than told, on a full page: the total counts something else.
    const more = offset < told || (offset > told && list.length >= pageSize);
    // Nothing new: an empty page, or a server that does not look at the offset.
    if (!more || rows.size + nameless === before) return { rows, nameless, namelessAtMs, named, total, repeats };
  }
  throw new UndeterminedError('source-unreachable', `${what}: no end after ${maxPages} pages`);
}

/** The id and the name are empty where it has none. */
function parseRow(raw: unknown): ClusterRow {
  const { data: row = {} } = z.safeParse(Row, raw);
  const name = row.cluster_name ?? row.cluster_id ?? '';
  const { scan_time: time = 0, report_id: reportId } = row;
  const checked = reportId !== undefined && time > 0;
  // Of one that cannot be asked for it is known when it was, or not even that.
  const isVague = !checked && (reportId !== undefined || isSaid(raw));
  return {
    clusterId: row.cluster_id ?? '',
    clusterName: name,
    category: row.cluster_category,
    reportId: checked ? reportId : undefined,
    scannedAtMs: checked ? time : undefined,
    ...(checked && said(row)),
    ...(isVague && { vagueAtMs: time > 0 ? time : Number.MAX_SAFE_INTEGER }),
  };
}

/** What a row says of its report, as far as it does. */
function said(row: z.infer<typeof Row>): Pick<ClusterRow, 'counts' | 'isAtRisk'> {
  const counts = Object.entries({
    vulnerabilities: row.local_image_vul_num,
    baseline_checks: row.risk_config_num,
    privileged_containers: row.privileged_container_num,
  }).filter(([, count]) => count !== undefined);
  return {
    ...(counts.length > 0 && { counts: Object.fromEntries(counts) }),
    ...(row.severity?.toLowerCase() === 'insecurity' && { isAtRisk: true }),
  };
}

/** Of what is no row at all nobody knows when it would be. */
function isSaid(raw: unknown): boolean {
  if (typeof raw !== 'object' || raw === null) return true;
  const { scan_time: time } = raw as { readonly scan_time?: unknown };
  return time !== undefined && time !== null && time !== '' && Number(time) !== 0;
}

/** @param named without an id: whatever cluster of that name they are of */
function newestOfEach(rows: Iterable<ClusterRow>, named: readonly ClusterRow[]): ClusterRow[] {
  const newest = new Map<string, ClusterRow>();
  for (const row of rows) {
    const known = newest.get(row.clusterId);
    if (known === undefined || timeOf(row) > timeOf(known)) newest.set(row.clusterId, row);
    else if (timeOf(row) === timeOf(known) && row.reportId !== known.reportId) newest.set(row.clusterId, vague(known));
  }
  for (const one of named) {
    for (const [id, row] of newest) {
      if (row.clusterName !== one.clusterName || timeOf(one) <= timeOf(row)) continue;
      newest.set(id, vague(row, timeOf(one)));
    }
  }
  return [...newest.values()].sort(
    (a, b) => compare(a.clusterName, b.clusterName) || compare(a.clusterId, b.clusterId),
  );
}

function timeOf({ scannedAtMs = 0, vagueAtMs = scannedAtMs }: ClusterRow): number {
  return vagueAtMs;
}

/** Which report is the newest is not told: there may be one of that time, or there are two. */
function vague({ counts: _, isAtRisk: __, ...row }: ClusterRow, vagueAtMs = timeOf(row)): ClusterRow {
  return { ...row, reportId: undefined, scannedAtMs: undefined, vagueAtMs };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
