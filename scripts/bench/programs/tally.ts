import type { WireBaselineItem, WireHead, WireLists, WireReport } from '../../../lib/simulator/wire.ts';

/** Rule id to the number of its violations. */
export type Found = Record<string, number>;

export type RuleSet = 'two-lists' | 'every-list';

type Judges = { readonly [K in keyof WireLists]?: (row: WireLists[K][number], found: Found) => void };

/**
 * The rules of `rules/*.yaml` as somebody would write them by hand, over rows as `JSON.parse` makes them: every reader
 * that is compared has to come to the same numbers.
 */
export interface Tally {
  readonly judges: Judges;
  readonly head: Partial<Record<keyof WireHead, (value: unknown, found: Found) => void>>;
  /** Every rule, with 0. */
  readonly found: Found;
}

export function tallyOf(rules: RuleSet): Tally {
  const { judges, head } =
    rules === 'two-lists' ? { judges: twoLists, head: {} } : { judges: everyList, head: cluster };
  const found = Object.fromEntries(ruleIds[rules].map((id) => [id, 0]));
  return { judges, head, found };
}

/** Count in a report that stands in memory. */
export function tallyReport(report: WireReport, { judges, head, found }: Tally): Found {
  for (const [list, judge] of Object.entries(judges) as [keyof WireLists, (row: unknown, found: Found) => void][]) {
    for (const row of report[list]) judge(row, found);
  }
  for (const [key, judge] of Object.entries(head)) judge(report[key as keyof WireHead], found);
  return found;
}

const twoLists: Judges = {
  local_image_vul_list: ({ severity_level }, found) => add(found, 'high-vulnerabilities', isHigh(severity_level)),
  privileged_container_list: (_row, found) => add(found, 'privileged-containers', true),
};

const everyList: Judges = {
  ...twoLists,
  baseline_detection_list: (check, found) => {
    add(found, 'failed-checks', check.failed_rule_num > 5);
    for (const { severity } of check.baseline_item_list as WireBaselineItem[]) {
      add(found, 'high-items', isHigh(severity));
    }
  },
  port_list: ({ port, laddr }, found) => add(found, 'open-ssh', port === 22 && laddr === '0.0.0.0'),
  app_list: ({ app_name, app_version }, found) => {
    add(found, 'old-openssl', app_name === 'openssl' && app_version.startsWith('1.'));
  },
  process_list: ({ user_name, permission }, found) => {
    add(found, 'writable-by-all', user_name === 'root' && permission === 'rwxrwxrwx');
  },
};

const cluster: Tally['head'] = { host_num: (value, found) => add(found, 'many-hosts', Number(value) > 2) };

const ruleIds: Readonly<Record<RuleSet, readonly string[]>> = {
  'two-lists': ['high-vulnerabilities', 'privileged-containers'],
  'every-list': [
    'high-vulnerabilities',
    'privileged-containers',
    'failed-checks',
    'high-items',
    'open-ssh',
    'old-openssl',
    'writable-by-all',
    'many-hosts',
  ],
};

function isHigh(severity: string): boolean {
  return severity !== 'Medium' && severity !== 'Low';
}

function add(found: Found, rule: string, matches: boolean): void {
  if (matches) found[rule] = (found[rule] ?? 0) + 1;
}
