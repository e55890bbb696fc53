import { randomOf } from './random.ts';
import { buildReport, type ReportOptions } from './reports.ts';
import type { Category, WireReport, WireRow } from './wire.ts';

/** What the simulator keeps of a cluster under HSS. */
export interface SimulatedCluster {
  readonly id: string;
  readonly name: string;
  readonly category: Category;
  /** `0` is the default enterprise project, the only one that the API shows unless asked for more. */
  readonly enterpriseProjectId: string;
  /** In any order; none: the cluster was never checked. */
  readonly reports: readonly SimulatedReport[];
}

export interface SimulatedReport {
  /** 1 to 64 characters. */
  readonly id: string;
  readonly report: LooseReport;
  /** Bends the row of this report in the list, for example `{ scan_time: 0 }`. */
  readonly row?: Partial<WireRow>;
}

/** A report as HSS may send it: any field may be absent, null or of another shape. */
export type LooseReport = { readonly [K in keyof WireReport]?: unknown };

const hourMs = 3_600_000;

/** When the demo's world is looked at: 2026-11-02T08:00:00Z. */
export const worldNowMs = Date.UTC(2026, 10, 2, 8);

/**
 * Five clusters of one project, all that can be the matter with a cluster:
 *
 * - `prod-eu` is clean
 * - `prod-us` has vulnerabilities of all severities and privileged containers, and yesterday's report beside today's
 * - `staging` has only medium ones
 * - `analytics` was last checked nine days ago
 * - `prod-apac` was never checked
 *
 * `prod-us` and `analytics` belong to enterprise projects that the API hides by default.
 */
export function worldClusters(nowMs: number = worldNowMs): SimulatedCluster[] {
  const retail = '7f3c2a10-58d4-4e0b-9a66-1b2c3d4e5f60';
  const data = 'c09b1d52-7e8f-4a3b-8c1d-0e9f8a7b6c5d';
  return [
    cluster('prod-eu', 'Turbo', '0', [
      { scannedAtMs: nowMs - 3 * hourMs, clean: true, rows: { hosts: 12, pods: 96, containers: 130, ports: 140 } },
    ]),
    cluster('prod-us', 'Turbo', retail, [
      { scannedAtMs: nowMs - 27 * hourMs, rows: { ...large, vulnerabilities: 390 } },
      { scannedAtMs: nowMs - 3 * hourMs, rows: large },
    ]),
    cluster('staging', 'CCE', '0', [
      {
        scannedAtMs: nowMs - 5 * hourMs,
        levels: ['Medium'],
        rows: { vulnerabilities: 120, privilegedContainers: 0, packages: 200 },
      },
    ]),
    cluster('analytics', 'CCE', data, [{ scannedAtMs: nowMs - 9 * 24 * hourMs, rows: { vulnerabilities: 75 } }]),
    cluster('prod-apac', 'Turbo', '0', []),
  ];
}

const large = {
  vulnerabilities: 420,
  baselineChecks: 12,
  privilegedContainers: 7,
  ports: 300,
  packages: 600,
  processes: 400,
  hosts: 24,
  pods: 180,
  containers: 260,
};

function cluster(
  name: string,
  category: Category,
  enterpriseProjectId: string,
  reports: readonly Omit<ReportOptions, 'clusterId' | 'clusterName' | 'category' | 'seed'>[],
): SimulatedCluster {
  const id = uuid(`cluster ${name}`);
  return {
    id,
    name,
    category,
    enterpriseProjectId,
    reports: reports.map((options) => ({
      id: uuid(`report ${name} ${options.scannedAtMs}`),
      report: buildReport({ clusterId: id, clusterName: name, category, seed: name, ...options }),
    })),
  };
}

/** Shaped like a random UUID, but always the same for the same text. */
function uuid(text: string): string {
  const hex = randomOf(text).hex(32);
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20)].join('-');
}
