import type { fields, ListName, ReportFacts } from '../core/report.ts';

/**
 * The wire names of a cluster's security-check report, and what Portcullis calls them.
 *
 * @see HSS API v5, "Querying the Security Check Report Information of a Cluster", updated 2025-09-08. Every key is
 *   optional in the vendor's clients. Times are epoch milliseconds, UTC.
 */

export interface ListKeys {
  readonly list: string;
  readonly count: string;
}

export const listKeys: Readonly<Record<ListName, ListKeys>> = {
  vulnerabilities: { list: 'local_image_vul_list', count: 'local_image_vul_num' },
  baseline_checks: { list: 'baseline_detection_list', count: 'risk_config_num' },
  privileged_containers: { list: 'privileged_container_list', count: 'privileged_container_num' },
  ports: { list: 'port_list', count: 'port_num' },
  packages: { list: 'app_list', count: 'app_num' },
  processes: { list: 'process_list', count: 'process_num' },
};

/** Counts without a list. */
export const bareCounts: Readonly<Record<string, keyof Pick<ReportFacts, 'pods' | 'hosts' | 'containers'>>> = {
  pod_num: 'pods',
  host_num: 'hosts',
  container_num: 'containers',
};

type RowKind = Exclude<keyof typeof fields, 'cluster'>;
type WireNames<K extends RowKind> = Readonly<Partial<Record<keyof (typeof fields)[K], string>>>;

const where = { container: 'container_name', container_id: 'container_id', host: 'host_name' } as const;
const address = { private_ip: 'private_ip', public_ip: 'public_ip' } as const;

/** Field to wire key, per kind of row. `baseline_items` take check, check_type and standard from the row around them. */
export const wireNames: { readonly [K in RowKind]: WireNames<K> } = {
  vulnerabilities: {
    severity: 'severity_level',
    image: 'local_image_name',
    image_version: 'local_image_version',
    image_size_bytes: 'local_image_size',
    vulnerability: 'vul_name',
    package: 'app_name',
    package_version: 'app_version',
    solution: 'solution',
    description: 'vul_description',
  },
  baseline_checks: {
    severity: 'severity',
    check: 'check_name',
    check_type: 'check_type',
    standard: 'standard',
    rules_checked: 'check_rule_num',
    rules_failed: 'failed_rule_num',
    description: 'check_type_desc',
  },
  baseline_items: {
    severity: 'severity',
    item: 'check_item',
    description: 'check_description',
    remediation: 'check_remediation',
  },
  privileged_containers: {
    ...where,
    status: 'container_status',
    pod: 'pod_name',
    ...address,
    summary: 'event_abstract',
  },
  ports: { port: 'port', listen_address: 'laddr', path: 'path', pid: 'pid', ...where, pod: 'pod_name', ...address },
  packages: {
    package: 'app_name',
    package_version: 'app_version',
    ...where,
    ...address,
    updated_at: 'update_time',
    scanned_at: 'recent_scan_time',
  },
  processes: {
    command: 'launch_params',
    user: 'user_name',
    permission: 'permission',
    hash: 'hash',
    pid: 'pid',
    started_at: 'start_time',
    ...where,
    ...address,
  },
};

/** The items inside a row of the baseline list. */
export const baselineItemsKey = 'baseline_item_list';
