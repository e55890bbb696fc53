import type { Policy } from '../../lib/core/policy/parse.ts';
import type { Finding } from '../../lib/core/report.ts';
import type { RuleSeverity } from '../../lib/core/severity.ts';
import { type Findings, policyOf } from './evaluate.ts';

/** A finding that is there, whether or not a report shows it. */
export interface Row {
  readonly on: keyof Findings;
  readonly fields: Finding;
}

/** A rule as the policy says it, and the same by hand. */
export interface Rule {
  readonly id: string;
  readonly severity: RuleSeverity;
  readonly on: Row['on'];
  readonly max: number;
  readonly per?: string;
  /** The other keys of the rule, in YAML. */
  readonly yaml: string;
  readonly asksFor: (finding: Finding) => boolean;
}

export interface Waiver {
  readonly id: string;
  readonly rule: string;
  readonly vulnerability: string;
  /** The last day. */
  readonly to: string;
}

/** What HSS shows of a cluster; what is not said is as it is. */
export interface View {
  readonly hosts?: number;
  /** Rows that are there and not in the list, though the count beside it counts them. */
  readonly cuts?: (row: Row) => boolean;
  /** Rows that are there and that nobody looked for. */
  readonly misses?: (row: Row) => boolean;
}

export interface Demands {
  readonly rules: readonly Rule[];
  readonly waivers: readonly Waiver[];
}

/** A rule that is broken in truth. */
export interface Broken {
  readonly cluster: string;
  readonly rule: Rule;
  readonly group: string;
  readonly count: number;
}

/** What an alert is called here, the same for what is true and for what is told. */
export function alertName(cluster: string, rule: string, group: string): string {
  return [cluster, rule, group].filter((part) => part !== '').join(' ');
}

export function policyFrom({ rules, waivers }: Demands): Policy {
  return policyOf(
    [
      'rules:',
      ...rules.map(
        ({ id, severity, on, max, per, yaml }) =>
          `  - {id: ${id}, on: ${on}, severity: ${severity}, max: ${max}${per === undefined ? '' : `, per: [${per}]`}, ${yaml}}`,
      ),
      ...(waivers.length > 0 ? ['waivers:'] : []),
      ...waivers.map(
        ({ id, rule, vulnerability, to }) =>
          `  - {id: ${id}, rule: ${rule}, where: 'vulnerability == "${vulnerability}"', reason: there is no fix, owner: team-edge, expires: ${to}}`,
      ),
    ].join('\n'),
  );
}

/** Which rules a cluster breaks, worked out without the code under test. */
export function brokenIn(cluster: string, rows: readonly Row[], { rules, waivers }: Demands, nowMs: number): Broken[] {
  return rules.flatMap((rule) => {
    const found = rows.filter((row) => {
      const isWaived = waivers.some((waiver) => waiver.rule === rule.id && covers(waiver, row.fields, nowMs));
      return row.on === rule.on && rule.asksFor(row.fields) && !isWaived;
    });
    const groups = new Map<string, number>();
    for (const { fields } of found) {
      const group = rule.per === undefined ? '' : String(fields[rule.per]);
      groups.set(group, (groups.get(group) ?? 0) + 1);
    }
    return [...groups]
      .filter(([, count]) => count > rule.max)
      .map(([group, count]) => ({ cluster, rule, group, count }));
  });
}

export function covers({ vulnerability, to }: Waiver, finding: Finding, nowMs: number): boolean {
  return finding.vulnerability === vulnerability && nowMs < Date.parse(`${to}T00:00:00Z`) + 86_400_000;
}

/** What a report of a cluster with these rows says. */
export function reportOf(rows: readonly Row[], { hosts = 12, cuts, misses }: View) {
  const seen = rows.filter((row) => misses?.(row) !== true);
  const findings: Record<string, Finding[]> = {};
  for (const { on, fields } of seen.filter((row) => cuts?.(row) !== true)) {
    findings[on] = [...(findings[on] ?? []), fields];
  }
  const counted = seen.filter(({ on }) => on === 'vulnerabilities').length;
  return { findings: findings as Findings, hosts, ...(cuts !== undefined && { reported: counted }) };
}

/** @param image name and version: `shop/cart:2.1.0` */
export function vulnerability(name: string, severity: string, image: string, inPackage = 'openssl 3.0.1'): Row {
  const [of = '', version = ''] = image.split(':');
  const [part = '', partVersion = ''] = inPackage.split(' ');
  return {
    on: 'vulnerabilities',
    fields: {
      severity,
      image: of,
      image_version: version,
      vulnerability: name,
      package: part,
      package_version: partVersion,
      solution: '',
      description: '',
    },
  };
}

/** Vulnerabilities of one image, numbered from `first` on. */
export function several(count: number, first: string, severity: string, image: string, inPackage?: string): Row[] {
  const [, year, number] = /^CVE-(\d+)-(\d+)$/.exec(first) ?? [];
  return Array.from({ length: count }, (_, i) =>
    vulnerability(`CVE-${year}-${String(Number(number) + i).padStart(4, '0')}`, severity, image, inPackage),
  );
}

export function privileged(container: string, host: string): Row {
  return {
    on: 'privileged_containers',
    fields: { container, container_id: `id-${container}`, status: 'running', pod: `${container}-0`, host, summary: '' },
  };
}

export function port(number: number, container: string): Row {
  return {
    on: 'ports',
    fields: {
      port: number,
      listen_address: '0.0.0.0',
      path: '/usr/sbin/in.telnetd',
      container,
      pod: `${container}-0`,
      host: 'node-1',
    },
  };
}
