import { type InventorySizes, inventoryOf } from './inventory.ts';
import { type Random, randomOf } from './random.ts';
import { baselineRows, packageRows, portRows, privilegedRows, processRows, vulnerabilityRows } from './rows.ts';
import type { Category, Level, WireHead, WireLists, WireReport } from './wire.ts';

/** How long the lists are, and how large the cluster says it is. */
export interface RowCounts extends InventorySizes {
  readonly vulnerabilities: number;
  readonly baselineChecks: number;
  readonly privilegedContainers: number;
  readonly ports: number;
  readonly packages: number;
  readonly processes: number;
}

export interface ReportOptions {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly category: Category;
  readonly scannedAtMs: number;
  /** The same options give the same bytes; the same seed at another time gives the same findings. */
  readonly seed: string | number;
  readonly rows?: Partial<RowCounts>;
  /** Severities that occur; default all three. */
  readonly levels?: readonly Level[];
  /** Nothing to complain of: no vulnerability, no failed rule, no privileged container. The inventory stays. */
  readonly clean?: boolean;
}

export interface StreamOptions extends ReportOptions {
  /** Length of the body, within a few percent from 1 MB on. Lengths that `rows` names are kept. */
  readonly totalBytes?: number;
  /** Default 64 KiB. */
  readonly chunkBytes?: number;
}

const defaultRows: RowCounts = {
  vulnerabilities: 40,
  baselineChecks: 6,
  privilegedContainers: 2,
  ports: 30,
  packages: 60,
  processes: 40,
  hosts: 3,
  pods: 12,
  containers: 16,
};

/** Counts first, then lists that are made while they are read, as often as they are read. */
interface Plan {
  readonly head: WireHead;
  readonly lists: { readonly [K in keyof WireLists]: () => Iterable<WireLists[K][number]> };
}

/**
 * A report whose counts agree with its lists. `risk_config_num` is the sum of `failed_rule_num`, and every failed rule
 * is an item of its check.
 */
export function buildReport(options: ReportOptions): WireReport {
  const { head, lists } = planOf(options);
  return {
    ...head,
    local_image_vul_list: [...lists.local_image_vul_list()],
    baseline_detection_list: [...lists.baseline_detection_list()],
    privileged_container_list: [...lists.privileged_container_list()],
    port_list: [...lists.port_list()],
    app_list: [...lists.app_list()],
    process_list: [...lists.process_list()],
  };
}

/** The bytes of a report of any length, which never stands in memory. Equal to those of `buildReport` as JSON. */
export function* streamReport(options: StreamOptions): Generator<Buffer, void, undefined> {
  const { totalBytes, chunkBytes = 65_536, ...rest } = options;
  const rows = totalBytes === undefined ? options.rows : { ...rowsOfSize(rest, totalBytes), ...options.rows };
  const { head, lists } = planOf({ ...rest, ...(rows && { rows }) });

  let text = JSON.stringify(head).slice(0, -1);
  for (const [name, list] of Object.entries(lists)) {
    text += `,"${name}":[`;
    let separator = '';
    for (const row of list()) {
      text += separator + JSON.stringify(row);
      separator = ',';
      if (text.length >= chunkBytes) {
        yield Buffer.from(text);
        text = '';
      }
    }
    text += ']';
  }
  yield Buffer.from(`${text}}`);
}

function planOf(options: ReportOptions): Plan {
  const sizes = { ...defaultRows, ...options.rows };
  const levels = options.clean ? [] : (options.levels ?? ['High', 'Medium', 'Low']);
  const vulnerabilities = levels.length === 0 ? 0 : sizes.vulnerabilities;
  const privileged = options.clean ? 0 : sizes.privilegedContainers;
  const { clusterName, scannedAtMs } = options;
  const inventory = inventoryOf(randomFor('inventory'), clusterName, sizes);

  /** Always the same sequence for the same list, so that a list can be read twice. */
  function randomFor(purpose: string): Random {
    return randomOf(`${options.seed}/${options.clusterId}/${purpose}`);
  }

  const lists: Plan['lists'] = {
    local_image_vul_list: () => vulnerabilityRows(randomFor('vulnerabilities'), vulnerabilities, levels),
    baseline_detection_list: () => baselineRows(randomFor('baselines'), sizes.baselineChecks, levels),
    privileged_container_list: () => privilegedRows(randomFor('privileged'), privileged, inventory),
    port_list: () => portRows(randomFor('ports'), sizes.ports, inventory),
    app_list: () => packageRows(randomFor('packages'), sizes.packages, inventory, scannedAtMs),
    process_list: () => processRows(randomFor('processes'), sizes.processes, inventory, scannedAtMs),
  };
  let failedRules = 0;
  for (const check of lists.baseline_detection_list()) failedRules += check.failed_rule_num;

  const head: WireHead = {
    scan_time: scannedAtMs,
    cluster_id: options.clusterId,
    cluster_name: clusterName,
    cluster_category: options.category,
    local_image_vul_num: vulnerabilities,
    risk_config_num: failedRules,
    privileged_container_num: privileged,
    pod_num: sizes.pods,
    host_num: sizes.hosts,
    container_num: sizes.containers,
    port_num: sizes.ports,
    process_num: sizes.processes,
    app_num: sizes.packages,
  };
  return { head, lists };
}

/** Part of the bytes of a large cluster's report. */
const shares = {
  local_image_vul_list: 0.4,
  process_list: 0.25,
  app_list: 0.2,
  port_list: 0.13,
  baseline_detection_list: 0.015,
  privileged_container_list: 0.005,
} as const satisfies Record<keyof WireLists, number>;

/** How many rows of each list come to a number of bytes, by the average of a sample. */
function rowsOfSize(options: ReportOptions, totalBytes: number): RowCounts {
  const sample = buildReport({
    ...options,
    rows: {
      vulnerabilities: 2_000,
      baselineChecks: 120,
      privilegedContainers: 100,
      ports: 2_000,
      packages: 2_000,
      processes: 2_000,
      hosts: 50,
      pods: 300,
      containers: 400,
    },
  });
  function rowsOf(list: keyof WireLists): number {
    const rows = sample[list].length;
    return Math.round((shares[list] * totalBytes * rows) / JSON.stringify(sample[list]).length);
  }

  const processes = rowsOf('process_list');
  const containers = Math.min(20_000, Math.ceil(processes / 6));
  return {
    vulnerabilities: rowsOf('local_image_vul_list'),
    baselineChecks: rowsOf('baseline_detection_list'),
    privilegedContainers: rowsOf('privileged_container_list'),
    ports: rowsOf('port_list'),
    packages: rowsOf('app_list'),
    processes,
    hosts: Math.ceil(containers / 40),
    pods: Math.ceil(containers * 0.75),
    containers,
  };
}
