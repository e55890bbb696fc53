import { expect, test } from 'vitest';
import { knownBaselines } from '../../lib/simulator/catalog/baselines.ts';
import { knownVulnerabilities } from '../../lib/simulator/catalog/vulnerabilities.ts';
import { worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { buildReport, type ReportOptions, streamReport } from '../../lib/simulator/reports.ts';
import type { WireReport } from '../../lib/simulator/wire.ts';

const options: ReportOptions = {
  clusterId: '27716f31-6331-11ef-a02c-0255ac101958',
  clusterName: 'prod',
  category: 'CCE',
  scannedAtMs: 1_793_606_400_000,
  seed: 1,
};

test.each<{ why: string; with: Partial<ReportOptions> }>([
  { why: 'default', with: {} },
  { why: 'clean', with: { clean: true } },
  { why: 'medium only', with: { levels: ['Medium'] } },
  { why: 'many', with: { rows: { vulnerabilities: 3_000, baselineChecks: 40, packages: 2_500, ports: 700 } } },
  { why: 'no rows', with: { rows: { vulnerabilities: 0, baselineChecks: 0, ports: 0, packages: 0, processes: 0 } } },
])('the counts of a report agree with its lists: $why', ({ with: more }) => {
  expectConsistent(buildReport({ ...options, ...more }));
});

test('a clean report complains of nothing and still lists the inventory', () => {
  const report = buildReport({ ...options, clean: true });

  expect(report).toMatchObject({ local_image_vul_num: 0, risk_config_num: 0, privileged_container_num: 0 });
  expect(report.baseline_detection_list.flatMap((check) => check.baseline_item_list)).toEqual([]);
  expect(report.process_list).toHaveLength(40);
});

test('only the levels asked for occur', () => {
  const report = buildReport({ ...options, levels: ['Medium'], rows: { vulnerabilities: 200 } });
  const items = report.baseline_detection_list.flatMap((check) => check.baseline_item_list);

  expect(new Set(report.local_image_vul_list.map((v) => v.severity_level))).toEqual(new Set(['Medium']));
  expect(new Set(items.map((item) => item.severity))).toEqual(new Set(['Medium']));
});

test('no image has a vulnerability of a package twice, nor two versions of a package', () => {
  const rows = buildReport({ ...options, rows: { vulnerabilities: 2_000 } }).local_image_vul_list;
  const images = Object.groupBy(rows, (row) => `${row.local_image_name}:${row.local_image_version}`);

  for (const ofImage of Object.values(images)) {
    const packages = new Set(ofImage?.map((row) => row.app_name));
    expect(new Set(ofImage?.map((row) => row.vul_name)).size).toBe(ofImage?.length);
    expect(new Set(ofImage?.map((row) => `${row.app_name} ${row.app_version}`)).size).toBe(packages.size);
  }
});

test('the same seed gives the same bytes, another seed others', () => {
  const bytes = JSON.stringify(buildReport(options));

  expect(JSON.stringify(buildReport({ ...options }))).toBe(bytes);
  expect(JSON.stringify(buildReport({ ...options, seed: 2 }))).not.toBe(bytes);
});

test('the same seed at another time gives the same findings', () => {
  const later = buildReport({ ...options, scannedAtMs: options.scannedAtMs + 86_400_000 });

  expect(later.local_image_vul_list).toEqual(buildReport(options).local_image_vul_list);
  expect(later.privileged_container_list).toEqual(buildReport(options).privileged_container_list);
});

test('the length of one list changes nothing in another', () => {
  const longer = buildReport({ ...options, rows: { vulnerabilities: 90 } });

  expect(longer.process_list).toEqual(buildReport(options).process_list);
});

test('a streamed report has the bytes of the built one', () => {
  const streamed = Buffer.concat([...streamReport({ ...options, chunkBytes: 500 })]).toString();

  expect(streamed).toBe(JSON.stringify(buildReport(options)));
});

test.each([1_000_000, 8_000_000])('a stream of about %i bytes parses to a consistent report', (totalBytes) => {
  const bytes = Buffer.concat([...streamReport({ ...options, totalBytes })]);
  const report: WireReport = JSON.parse(bytes.toString());
  const share = (list: keyof WireReport) => JSON.stringify(report[list]).length / bytes.length;

  expect(bytes.length / totalBytes).toBeCloseTo(1, 1);
  expectConsistent(report);
  expect(share('local_image_vul_list')).toBeCloseTo(0.4, 1);
  expect(share('process_list')).toBeCloseTo(0.25, 1);
  expect(share('app_list')).toBeCloseTo(0.2, 1);
  expect(share('port_list')).toBeCloseTo(0.13, 1);
});

test('lengths that are named are kept in a stream of a given size', () => {
  const bytes = Buffer.concat([...streamReport({ ...options, totalBytes: 1_000_000, rows: { vulnerabilities: 3 } })]);

  expect(JSON.parse(bytes.toString())).toMatchObject({ local_image_vul_num: 3, local_image_vul_list: [{}, {}, {}] });
});

test('the catalog holds different vulnerabilities of every level and items of every standard', () => {
  const count = (level: string) => knownVulnerabilities.filter((v) => v.severity === level).length;

  expect(new Set(knownVulnerabilities.map((v) => v.name)).size).toBe(knownVulnerabilities.length);
  expect([count('High'), count('Medium'), count('Low')].every((n) => n >= 20)).toBe(true);
  expect(new Set(knownBaselines.map((b) => b.standard))).toEqual(
    new Set(['cis_standard', 'hw_standard', 'cn_standard']),
  );
  expect(knownBaselines.filter((b) => b.items.length > b.rules)).toEqual([]);
});

test('the world has a cluster for everything that can be the matter', () => {
  const world = new Map(worldClusters().map((c) => [c.name, c]));
  const newest = (name: string) =>
    world
      .get(name)
      ?.reports.map((r) => r.report as WireReport)
      .sort((a, b) => b.scan_time - a.scan_time)[0];
  const levels = (name: string) => new Set(newest(name)?.local_image_vul_list.map((v) => v.severity_level));

  expect([...world.keys()]).toEqual(['prod-eu', 'prod-us', 'staging', 'analytics', 'prod-apac']);
  expect(newest('prod-eu')).toMatchObject({ local_image_vul_num: 0, risk_config_num: 0, privileged_container_num: 0 });
  expect(newest('prod-us')).toMatchObject({ local_image_vul_num: 420, privileged_container_num: 7 });
  expect(levels('prod-us')).toEqual(new Set(['High', 'Medium', 'Low']));
  expect(world.get('prod-us')?.reports).toHaveLength(2);
  expect(newest('staging')?.privileged_container_num).toBe(0);
  expect(levels('staging')).toEqual(new Set(['Medium']));
  expect(worldNowMs - (newest('analytics')?.scan_time ?? 0)).toBe(9 * 86_400_000);
  expect(world.get('prod-apac')?.reports).toEqual([]);
  expect(JSON.stringify(worldClusters())).toBe(JSON.stringify(worldClusters(worldNowMs)));
});

function expectConsistent(report: WireReport): void {
  expect(Object.keys(report)).toEqual(publishedOrder);
  expect(report.local_image_vul_num).toBe(report.local_image_vul_list.length);
  expect(report.privileged_container_num).toBe(report.privileged_container_list.length);
  expect(report.port_num).toBe(report.port_list.length);
  expect(report.app_num).toBe(report.app_list.length);
  expect(report.process_num).toBe(report.process_list.length);
  expect(report.risk_config_num).toBe(report.baseline_detection_list.reduce((sum, c) => sum + c.failed_rule_num, 0));
  for (const check of report.baseline_detection_list) {
    expect(check.baseline_item_list).toHaveLength(check.failed_rule_num);
    expect(check.failed_rule_num).toBeLessThanOrEqual(check.check_rule_num);
  }
}

const publishedOrder = [
  'scan_time',
  'cluster_id',
  'cluster_name',
  'cluster_category',
  'local_image_vul_num',
  'risk_config_num',
  'privileged_container_num',
  'pod_num',
  'host_num',
  'container_num',
  'port_num',
  'process_num',
  'app_num',
  'local_image_vul_list',
  'baseline_detection_list',
  'privileged_container_list',
  'port_list',
  'app_list',
  'process_list',
];
