import { type Answer, hssError, json } from './answers.ts';
import type { SimulatedCluster, SimulatedReport } from './clusters.ts';
import { randomOf } from './random.ts';
import type { WireRow } from './wire.ts';

/** The two operations on cluster reports, as functions of the world and the query. @see hss-api: part 1 */

const limits = { min: 10, max: 200, fallback: 10 };
const offsets = { min: 0, max: 2_000_000, fallback: 0 };

/**
 * The rows of all reports that the caller may see; a cluster that was never checked has one row without a report.
 *
 * Where the documentation is silent this takes the less convenient reading: a cluster may have several rows, in an
 * order that has nothing to do with time, and `cluster_name` also finds longer names.
 */
export function listReports(clusters: readonly SimulatedCluster[], query: URLSearchParams): Answer {
  const limit = wholeNumber(query.get('limit'), limits);
  const offset = wholeNumber(query.get('offset'), offsets);
  const enterpriseProjectId = query.get('enterprise_project_id') ?? '0';
  const name = query.get('cluster_name') ?? '';
  const id = query.get('cluster_id');
  const category = query.get('cluster_category');
  const severity = query.get('severity');
  if (limit === undefined) return invalid('limit');
  if (offset === undefined) return invalid('offset');
  if (!isShortText(enterpriseProjectId)) return invalid('enterprise_project_id');
  if (query.has('cluster_name') && !isShortText(name)) return invalid('cluster_name');
  if (id !== null && !isShortText(id)) return invalid('cluster_id');
  if (category !== null && !['CCE', 'Turbo'].includes(category)) return invalid('cluster_category');
  if (severity !== null && !['Security', 'Insecurity'].includes(severity)) return invalid('severity');

  const rows = clusters
    .filter((cluster) => isVisible(cluster, enterpriseProjectId))
    .filter((cluster) => cluster.name.includes(name) && (id === null || cluster.id === id))
    .filter((cluster) => category === null || cluster.category === category)
    .flatMap(rowsOf)
    .filter((row) => severity === null || row.severity === severity);
  return json(200, { total_num: rows.length, data_list: untimely(rows).slice(offset, offset + limit) });
}

/** A report that is not there, or not the caller's to see: HSS answers 400, not 404. */
export function findReport(
  clusters: readonly SimulatedCluster[],
  reportId: string,
  query: URLSearchParams,
): SimulatedReport | Answer {
  const enterpriseProjectId = query.get('enterprise_project_id') ?? '0';
  if (reportId.length > 64) return invalid('report_id');
  if (!isShortText(enterpriseProjectId)) return invalid('enterprise_project_id');
  const found = clusters
    .filter((cluster) => isVisible(cluster, enterpriseProjectId))
    .flatMap((cluster) => cluster.reports)
    .find((report) => report.id === reportId);
  return found ?? hssError('HSS.0011', 'The resource is not found.');
}

function rowsOf(cluster: SimulatedCluster): WireRow[] {
  const named = { cluster_name: cluster.name, cluster_id: cluster.id, cluster_category: cluster.category };
  if (cluster.reports.length === 0) return [named];
  return cluster.reports.map(({ id, report, row }) => {
    const counts = {
      local_image_vul_num: Number(report.local_image_vul_num ?? 0),
      risk_config_num: Number(report.risk_config_num ?? 0),
      privileged_container_num: Number(report.privileged_container_num ?? 0),
    };
    const isClean = Object.values(counts).every((count) => count === 0);
    return {
      report_id: id,
      ...named,
      severity: isClean ? 'Security' : 'Insecurity',
      ...counts,
      scan_time: Number(report.scan_time ?? 0),
      ...row,
    };
  });
}

/** The same order for the same rows, and never with the newest first. */
function untimely(rows: readonly WireRow[]): readonly WireRow[] {
  const [newest, ...others] = rows.toSorted((a, b) => (b.scan_time ?? 0) - (a.scan_time ?? 0));
  if (!newest) return [];
  const shuffled = randomOf(rows.map((row) => row.report_id ?? row.cluster_id).join()).shuffle(others);
  return shuffled.toSpliced(Math.ceil(others.length / 2), 0, newest);
}

function isVisible(cluster: SimulatedCluster, enterpriseProjectId: string): boolean {
  return enterpriseProjectId === 'all_granted_eps' || cluster.enterpriseProjectId === enterpriseProjectId;
}

function wholeNumber(
  text: string | null,
  range: { readonly min: number; readonly max: number; readonly fallback: number },
): number | undefined {
  if (text === null) return range.fallback;
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  return number >= range.min && number <= range.max ? number : undefined;
}

function isShortText(text: string): boolean {
  return text.length >= 1 && text.length <= 256;
}

function invalid(parameter: string): Answer {
  return hssError('HSS.0001', `Invalid parameter: ${parameter}.`);
}
