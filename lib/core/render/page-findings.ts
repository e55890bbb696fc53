import type { KeptFinding, WaiverResult } from '../evaluation.ts';
import type { Finding, FindingKind } from '../report.ts';
import { findingSeverities } from '../severity.ts';
import { type Column, type ColumnKind, type Html, html, nameHtml, proseHtml, rowHtml } from './html.ts';
import { Listing } from './page-listing.ts';
import { capital, type Described, describe, minuteOf, quantity } from './words.ts';

/** A finding, and the waiver that covers it where one does. */
export type ListedFinding = KeptFinding & { readonly waiver?: string };

interface Told extends KeptFinding {
  readonly waiver: string;
  readonly described: Described;
}

interface FindingColumn extends Column {
  readonly cell: (told: Told) => Html;
  /** The finding says nothing of it. */
  readonly isEmpty: (told: Told) => boolean;
}

/** What a finding is about, by field; where it is and what to do about it follow. The first one is its name. */
const subjects: Readonly<Record<FindingKind, readonly (readonly [field: string, kind: ColumnKind])[]>> = {
  vulnerabilities: [
    ['vulnerability', 'named'],
    ['package', 'medium'],
  ],
  baseline_checks: [
    ['check', 'wide'],
    ['rules_failed', 'number'],
    ['rules_checked', 'number'],
  ],
  baseline_items: [['item', 'wide']],
  privileged_containers: [
    ['container', 'named'],
    ['status', 'short'],
  ],
  ports: [
    ['path', 'wide'],
    ['port', 'number'],
    ['listen_address', 'medium'],
  ],
  packages: [['package', 'wide']],
  processes: [
    ['command', 'wide'],
    ['user', 'short'],
  ],
  cluster: [['name', 'named']],
};

const placeKinds: Readonly<Record<string, ColumnKind>> = {
  image: 'wide',
  pod: 'wide',
  container: 'medium',
  host: 'medium',
  check: 'medium',
  pid: 'short',
};

/**
 * Findings of one kind in the columns that fit it, without those in which none of them says anything.
 *
 * @param waivers where findings are waived
 */
export function findingListing(
  on: FindingKind,
  findings: readonly ListedFinding[],
  waivers: readonly WaiverResult[],
): Listing<ListedFinding> {
  const told = findings.map((finding) => tell(on, finding));
  const columns = columnsOf(on, told, waivers).filter(
    ({ isHeader, isEmpty }) => isHeader === true || told.some((one) => !isEmpty(one)),
  );
  return new Listing(findings, columns, (finding) => {
    const one = tell(on, finding);
    const cells = columns.map(({ isHeader, isEmpty, cell }) =>
      isHeader !== true && isEmpty(one) ? html`` : cell(one),
    );
    return rowHtml(columns, cells);
  });
}

function tell(on: FindingKind, { fields, fingerprint, waiver = '' }: ListedFinding): Told {
  return { fields, fingerprint, waiver, described: describe(on, fields) };
}

function columnsOf(on: FindingKind, told: readonly Told[], waivers: readonly WaiverResult[]): readonly FindingColumn[] {
  const places = new Set(told.flatMap(({ described }) => described.where.map(({ label }) => label)));
  const hints = new Set(told.flatMap(({ described }) => described.hint?.label ?? []));
  return [
    {
      label: 'Severity',
      kind: 'short',
      cell: ({ described }) => gradeHtml(described.severity ?? ''),
      isEmpty: ({ described }) => described.severity === undefined,
    },
    ...subjects[on].map(([field, kind], i) => subjectColumn(field, kind, i === 0)),
    ...[...places].map(placeColumn),
    {
      label: 'Waived by',
      kind: 'medium',
      cell: ({ waiver }) => waivedHtml(waiver, waivers),
      isEmpty: ({ waiver }) => waiver === '',
    },
    {
      label: capital([...hints].join(' or ')),
      kind: 'wide',
      cell: ({ described: { hint } }) =>
        html`${hints.size > 1 && `${hint?.label}: `}${proseHtml(hint?.text ?? '', 400)}`,
      isEmpty: ({ described }) => described.hint === undefined,
    },
  ];
}

/** The name has its fingerprint below it, which `explain` takes. */
function subjectColumn(field: string, kind: ColumnKind, isHeader: boolean): FindingColumn {
  return {
    label: capital(field.replaceAll('_', ' ')),
    kind,
    isHeader,
    cell: ({ fields, fingerprint }) =>
      html`${subjectHtml(field, kind, fields)}${isHeader && html`<small class="print">${nameHtml(fingerprint, 64)}</small>`}`,
    isEmpty: ({ fields }) => textOf(fields, field) === '',
  };
}

function subjectHtml(field: string, kind: ColumnKind, fields: Finding): Html {
  const value = fields[field];
  if (kind === 'number' && typeof value === 'number') return html`${field === 'port' ? value : quantity(value)}`;
  const version = field === 'package' ? textOf(fields, 'package_version') : '';
  return html`${nameHtml(textOf(fields, field))}${version !== '' && html` ${nameHtml(version, 60)}`}`;
}

function placeColumn(label: string): FindingColumn {
  const value = ({ described }: Told) => described.where.find((place) => place.label === label)?.value ?? '';
  return {
    label: capital(label),
    kind: placeKinds[label] ?? 'medium',
    cell: (told) => nameHtml(value(told)),
    isEmpty: (told) => value(told) === '',
  };
}

function gradeHtml(severity: string): Html {
  const known = findingSeverities.find((one) => one === severity) ?? 'Unknown';
  return html`<span class="grade ${known}">${proseHtml(severity, 20)}</span>`;
}

function waivedHtml(id: string, waivers: readonly WaiverResult[]): Html {
  const until = minuteOf(waivers.find((waiver) => waiver.id === id)?.expiresAtMs);
  return html`${nameHtml(id, 80)}${until !== undefined && html` <small>until ${until}</small>`}`;
}

function textOf(fields: Finding, field: string): string {
  return String(fields[field] ?? '');
}
