/**
 * What a security-check report states, in the words of a policy.
 *
 * The wire names live in `hss/schema.ts`; the field names here are what a `where` may use and what a result shows.
 */

/** What a rule may look at: a list of the report, the items inside the baseline checks, or the report as a whole. */
export type FindingKind =
  | 'vulnerabilities'
  | 'baseline_checks'
  | 'baseline_items'
  | 'privileged_containers'
  | 'ports'
  | 'packages'
  | 'processes'
  | 'cluster';

/** A list of the report: six arrays of rows, each with a count beside it. */
export type ListName = Exclude<FindingKind, 'baseline_items' | 'cluster'>;

export const listNames: readonly ListName[] = [
  'vulnerabilities',
  'baseline_checks',
  'privileged_containers',
  'ports',
  'packages',
  'processes',
];

/**
 * - `severity`: Critical, High, Medium, Low or Unknown
 * - `string`: identifies something; a row that lacks it cannot be judged by a rule that asks for it
 * - `text`: may well be empty; a row that lacks it has the empty string
 * - `int`: a whole number
 * - `time`: epoch milliseconds, UTC; a CEL `timestamp`
 */
export type FieldType = 'severity' | 'string' | 'text' | 'int' | 'time';

/** The fields of each kind of finding, in the order in which they are shown. */
export const fields = {
  vulnerabilities: {
    severity: 'severity',
    image: 'string',
    image_version: 'string',
    image_size_bytes: 'int',
    vulnerability: 'string',
    package: 'string',
    package_version: 'string',
    solution: 'text',
    description: 'text',
  },
  baseline_checks: {
    severity: 'severity',
    check: 'string',
    check_type: 'string',
    standard: 'string',
    rules_checked: 'int',
    rules_failed: 'int',
    description: 'text',
  },
  baseline_items: {
    severity: 'severity',
    item: 'string',
    description: 'text',
    remediation: 'text',
    check: 'string',
    check_type: 'string',
    standard: 'string',
  },
  privileged_containers: {
    container: 'string',
    container_id: 'string',
    status: 'string',
    pod: 'string',
    host: 'string',
    private_ip: 'text',
    public_ip: 'text',
    summary: 'text',
  },
  ports: {
    port: 'int',
    listen_address: 'string',
    path: 'string',
    pid: 'int',
    container: 'text',
    container_id: 'text',
    pod: 'text',
    host: 'string',
    private_ip: 'text',
    public_ip: 'text',
  },
  packages: {
    package: 'string',
    package_version: 'string',
    container: 'text',
    container_id: 'text',
    host: 'string',
    private_ip: 'text',
    public_ip: 'text',
    updated_at: 'time',
    scanned_at: 'time',
  },
  processes: {
    command: 'string',
    user: 'string',
    permission: 'string',
    hash: 'string',
    pid: 'int',
    started_at: 'time',
    container: 'text',
    container_id: 'text',
    host: 'string',
    private_ip: 'text',
    public_ip: 'text',
  },
  cluster: {
    name: 'string',
    id: 'string',
    category: 'string',
    scanned_at: 'time',
    vulnerabilities: 'int',
    baseline_risks: 'int',
    privileged_containers: 'int',
    pods: 'int',
    hosts: 'int',
    containers: 'int',
    ports: 'int',
    processes: 'int',
    packages: 'int',
  },
} as const satisfies Record<FindingKind, Readonly<Record<string, FieldType>>>;

export const findingKinds = Object.keys(fields) as readonly FindingKind[];

/** The list that has to be read for findings of a kind; `cluster` needs none. */
export function listOf(kind: FindingKind): ListName | undefined {
  if (kind === 'cluster') return undefined;
  return kind === 'baseline_items' ? 'baseline_checks' : kind;
}

/**
 * One fact a report states. Keys are the field names of its kind; a field that the report lacks is `undefined`.
 * Times are epoch milliseconds. A finding may be a view over a buffer that is reused: copy what outlives the call.
 */
export type Finding = { readonly [field: string]: string | number | undefined };

/** How a list came in the body: an array, the single object of the published example, null, not at all, or neither. */
export type ListShape = 'array' | 'object' | 'null' | 'absent' | 'other';

/** What the report says of a list (`reported`) and what it gives (`listed`). */
export interface ListFacts {
  /** The `*_num` beside the list; undefined when absent, null or no whole number of 0 or more. */
  readonly reported: number | undefined;
  /** What the row of the list of reports counts, where it is of the same check. */
  readonly told?: number | undefined;
  /** Rows in the list. */
  readonly listed: number;
  readonly shape: ListShape;
  /** How often the key occurs in the body, if more than once. */
  readonly repeated?: number;
  /** `baseline_checks`, where it was read: items in all rows, and the sum of their counts of failed rules. */
  readonly items?: number;
  readonly failed?: number;
  /** `baseline_checks`, where it was read: rows that list fewer items than rules they say failed, or do not say. */
  readonly shortRows?: number;
  /** `baseline_checks`, where it was read: rows that list items and say that no rule was checked, or none failed. */
  readonly deniedRows?: number;
  /** `baseline_checks`, where it was read: rows that failed a rule, list an item, or do not say whether they failed one. */
  readonly failing?: number;
}

/** Everything a report states beside its rows. */
export interface ReportFacts {
  readonly clusterId: string | undefined;
  readonly clusterName: string | undefined;
  readonly category: string | undefined;
  /** Epoch milliseconds, UTC. */
  readonly scannedAtMs: number | undefined;
  readonly lists: Readonly<Record<ListName, ListFacts>>;
  readonly pods: number | undefined;
  readonly hosts: number | undefined;
  readonly containers: number | undefined;
  /** Keys of the body that this version does not know, at most 20. */
  readonly unknownKeys: readonly string[];
}

/** A row of the list of cluster reports: what is known of a cluster before its report is read. */
export interface ClusterRow {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly category: string | undefined;
  /** Absent: the cluster was never checked. */
  readonly reportId: string | undefined;
  /** Epoch milliseconds, UTC. Absent: the cluster was never checked. */
  readonly scannedAtMs: number | undefined;
  /** A list before this one told of a newer report, of this time in epoch milliseconds. */
  readonly newerAtMs?: number;
  /** What the row itself counts of the report, as far as it does. */
  readonly counts?: Readonly<Partial<Record<ListName, number>>>;
  /** The row says that the cluster has risks. */
  readonly isAtRisk?: boolean;
  /** Its newest row lacks the report's id or a time that can be read: when that may be; the largest number: at any time. */
  readonly vagueAtMs?: number;
}

/** The newest row of every cluster of a source, sorted by name, then id. */
export interface ClusterListing {
  readonly clusters: readonly ClusterRow[];
  /** Rows that name no cluster at all; said aloud, since they may be any cluster. */
  readonly nameless: number;
  /** Of those that name none, neither by id nor by name, the newest: when that may be; the largest number: at any time. */
  readonly namelessAtMs?: number;
  /** Clusters that are not in this list and were in one before: when their newest report was made, by id. */
  readonly earlier?: Readonly<Record<string, number>>;
}
