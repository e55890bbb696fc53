/**
 * What HSS sends, as the simulator writes it: every field, in the published order. The client's own reading of the
 * same facts is elsewhere, on purpose: each checks the other.
 *
 * Times are epoch milliseconds, UTC; sizes are bytes.
 *
 * @see hss-api: part 1 (list row), part 2 (report)
 */

export type Level = 'High' | 'Medium' | 'Low';
export type Category = 'CCE' | 'Turbo';

export interface WireVulnerability {
  readonly local_image_name: string;
  readonly local_image_version: string;
  readonly local_image_size: number;
  readonly vul_name: string;
  readonly app_name: string;
  readonly app_version: string;
  readonly severity_level: Level;
  readonly solution: string;
  readonly vul_description: string;
}

export interface WireBaselineItem {
  readonly severity: Level;
  readonly check_item: string;
  readonly check_description: string;
  readonly check_remediation: string;
}

export interface WireBaselineCheck {
  readonly severity: Level;
  readonly check_name: string;
  readonly check_type: string;
  readonly standard: 'hw_standard' | 'cn_standard' | 'cis_standard';
  readonly check_rule_num: number;
  readonly failed_rule_num: number;
  readonly check_type_desc: string;
  /** The failed items, one for each failed rule. */
  readonly baseline_item_list: readonly WireBaselineItem[];
}

export interface WirePrivilegedContainer {
  readonly container_name: string;
  readonly container_id: string;
  readonly container_status: 'running' | 'terminated';
  readonly pod_name: string;
  readonly host_name: string;
  readonly private_ip: string;
  readonly public_ip: string;
  readonly event_abstract: string;
}

export interface WirePort {
  readonly port: number;
  readonly container_id: string;
  readonly container_name: string;
  readonly pod_name: string;
  readonly host_name: string;
  readonly private_ip: string;
  readonly public_ip: string;
  readonly path: string;
  readonly pid: number;
  readonly laddr: string;
}

export interface WirePackage {
  readonly app_name: string;
  readonly app_version: string;
  readonly container_id: string;
  readonly container_name: string;
  readonly host_name: string;
  readonly private_ip: string;
  readonly public_ip: string;
  readonly update_time: number;
  readonly recent_scan_time: number;
}

export interface WireProcess {
  readonly container_id: string;
  readonly container_name: string;
  readonly host_name: string;
  readonly private_ip: string;
  readonly public_ip: string;
  readonly start_time: number;
  readonly pid: number;
  readonly permission: string;
  readonly user_name: string;
  readonly launch_params: string;
  readonly hash: string;
}

/** Everything before the lists. */
export interface WireHead {
  readonly scan_time: number;
  readonly cluster_id: string;
  readonly cluster_name: string;
  readonly cluster_category: Category;
  readonly local_image_vul_num: number;
  /** The sum of `failed_rule_num`: the API calls it the number of baseline risks and says no more. */
  readonly risk_config_num: number;
  readonly privileged_container_num: number;
  readonly pod_num: number;
  readonly host_num: number;
  readonly container_num: number;
  readonly port_num: number;
  readonly process_num: number;
  readonly app_num: number;
}

export interface WireLists {
  readonly local_image_vul_list: readonly WireVulnerability[];
  readonly baseline_detection_list: readonly WireBaselineCheck[];
  readonly privileged_container_list: readonly WirePrivilegedContainer[];
  readonly port_list: readonly WirePort[];
  readonly app_list: readonly WirePackage[];
  readonly process_list: readonly WireProcess[];
}

export type WireReport = WireHead & WireLists;

/** A row of the list of reports. A cluster that was never checked has no report id, time or count. */
export interface WireRow {
  readonly report_id?: string;
  readonly cluster_name: string;
  readonly cluster_id: string;
  readonly cluster_category: Category;
  readonly severity?: 'Security' | 'Insecurity';
  readonly local_image_vul_num?: number;
  readonly risk_config_num?: number;
  readonly privileged_container_num?: number;
  readonly scan_time?: number;
}
