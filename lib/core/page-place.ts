import { hash } from 'node:crypto';
import { parseS3Location } from './s3-location.ts';

/** Where report pages go, and where people open them. */
export interface PagePlace {
  /** A folder, or a bucket with what keys in it begin with: empty, or ending in `/`. */
  readonly at: { readonly folder: string } | { readonly bucket: string; readonly prefix: string };
  /** What the links of people begin with; absent: the AWS console's page of the object, and for a folder none. */
  readonly link?: string | undefined;
}

/** What a page is of. */
export interface PageSubject {
  readonly source: string;
  readonly clusterId: string;
  readonly clusterName: string;
  readonly reportId: string;
  /** Epoch milliseconds. */
  readonly scannedAtMs: number;
  readonly policyDigest: string;
}

/** `s3://BUCKET` or `s3://BUCKET/PREFIX`, with or without `/` at the end; undefined for anything else. */
export function parseS3Prefix(text: string): { readonly bucket: string; readonly prefix: string } | undefined {
  const trimmed = text.replace(/\/$/, '');
  // A name in place of the prefix, where there is none, for the same checks.
  const hasPrefix = /^s3:\/\/[^/]*\//.test(trimmed);
  const found = parseS3Location(hasPrefix ? trimmed : `${trimmed}/-`);
  return found && { bucket: found.bucket, prefix: hasPrefix ? `${found.key}/` : '' };
}

/**
 * The name of a page below its place: `prod/prod-eu-1b5e0a6c2f3d4e5a/20261124T022058Z-9c1d20aa31f04b7e.html`.
 *
 * Parts to be read, with `A-Z a-z 0-9 - _` alone and whatever the names are, and hashes that tell clusters and reports
 * apart. The same report by the same policy has the same page, however often it is judged.
 */
export function pageKey({ source, clusterId, clusterName, reportId, scannedAtMs, policyDigest }: PageSubject): string {
  const cluster = `${readable(clusterName)}-${short([source, clusterId])}`;
  const report = `${timeWord(scannedAtMs)}-${short([reportId, policyDigest])}`;
  return `${readable(source)}/${cluster}/${report}.html`;
}

/**
 * The URL that people open.
 * @param region of the bucket
 * @returns undefined: there is none
 */
export function pageLink({ at, link }: PagePlace, key: string, region: string | undefined): string | undefined {
  if (link !== undefined) return `${link.replace(/\/$/, '')}/${key}`;
  if ('folder' in at) return undefined;
  const host = region === undefined ? 's3.console' : `${region}.console`;
  const query = new URLSearchParams({ ...(region !== undefined && { region }), prefix: `${at.prefix}${key}` });
  return `https://${host}.${consoleOf(region)}/s3/object/${at.bucket}?${query}`;
}

function consoleOf(region = ''): string {
  if (region.startsWith('cn-')) return 'amazonaws.cn';
  return region.startsWith('us-gov-') ? 'amazonaws-us-gov.com' : 'aws.amazon.com';
}

function readable(name: string): string {
  const words = name.replaceAll(/[^A-Za-z0-9_]+/g, '-').replaceAll(/^-+|-+$/g, '');
  return words.slice(0, 40).replace(/-+$/, '') || 'unnamed';
}

function short(parts: readonly string[]): string {
  return hash('sha256', JSON.stringify(parts), 'hex').slice(0, 16);
}

/** What a report says of its time may be any number. */
function timeWord(ms: number): string {
  const isTime = ms >= 0 && ms < Date.UTC(10_000, 0);
  return isTime ? new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, '') : 'undated';
}
