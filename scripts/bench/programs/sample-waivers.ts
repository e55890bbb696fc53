import type { Finding } from '../../../lib/core/report.ts';

/** A waiver of one vulnerability in one image, which an index can look up. */
export interface ExactWaiver {
  readonly image: string;
  readonly vulnerability: string;
}

/** A waiver that has to be tried on every finding. */
export interface OpenWaiver {
  readonly field: 'image' | 'image_version' | 'vulnerability' | 'package' | 'package_version' | 'description';
  readonly test: 'startsWith' | 'endsWith' | 'contains';
  readonly text: string;
}

export const openWaivers: readonly OpenWaiver[] = [
  { field: 'vulnerability', test: 'startsWith', text: 'CVE-2019-' },
  { field: 'vulnerability', test: 'startsWith', text: 'CVE-2017-' },
  { field: 'vulnerability', test: 'endsWith', text: '-0001' },
  { field: 'image', test: 'endsWith', text: '/debug-tools' },
  { field: 'image', test: 'contains', text: '/sandbox/' },
  { field: 'image_version', test: 'endsWith', text: '-rc' },
  { field: 'package', test: 'startsWith', text: 'python3-' },
  { field: 'package', test: 'endsWith', text: '-doc' },
  { field: 'package_version', test: 'contains', text: '+test' },
  { field: 'description', test: 'contains', text: 'physical access' },
];

/**
 * `count` pairs of the images and vulnerabilities among the High findings. Three of ten occur, each in one row or more;
 * the others are of the past, as many are in a policy that has grown.
 */
export function exactWaivers(findings: readonly Finding[], count: number): ExactWaiver[] {
  const high = findings.filter(({ severity }) => severity === 'High');
  const images = [...new Set(high.map(({ image }) => String(image)))];
  const vulnerabilities = [...new Set(high.map(({ vulnerability }) => String(vulnerability)))];
  const occurring = new Set(high.map(({ image, vulnerability }) => `${image} ${vulnerability}`));
  const pairs = images.flatMap((image) => vulnerabilities.map((vulnerability) => ({ image, vulnerability })));
  const isOccurring = ({ image, vulnerability }: ExactWaiver) => occurring.has(`${image} ${vulnerability}`);
  const used = spread(pairs.filter(isOccurring), Math.round(count * 0.3));
  return [
    ...used,
    ...spread(
      pairs.filter((pair) => !isOccurring(pair)),
      count - used.length,
    ),
  ];
}

/** So many of a list, or all, evenly spread over it. */
function spread<T>(list: readonly T[], count: number): T[] {
  const step = Math.max(1, list.length / count);
  return Array.from({ length: Math.min(count, list.length) }, (_, i) => list[Math.floor(i * step)] as T);
}

export function celOf(waiver: ExactWaiver | OpenWaiver): string {
  if ('test' in waiver) return `${waiver.field}.${waiver.test}(${JSON.stringify(waiver.text)})`;
  return `image == ${JSON.stringify(waiver.image)} && vulnerability == ${JSON.stringify(waiver.vulnerability)}`;
}

export function matches({ field, test, text }: OpenWaiver, finding: Finding): boolean {
  const value = finding[field] as string;
  if (test === 'startsWith') return value.startsWith(text);
  return test === 'endsWith' ? value.endsWith(text) : value.includes(text);
}
