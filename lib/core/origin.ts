import { imageKey, textNumber } from './fingerprint.ts';
import { type NamedFinding, namedTextLength, type Origin } from './named-finding.ts';
import type { FindingKind } from './report.ts';

/**
 * @param isNew it is known that the report before did not show it
 * @param images of that report; undefined: not known
 */
export function originOf(
  on: FindingKind,
  { fields }: NamedFinding,
  isNew: boolean,
  images: readonly number[] | undefined,
): Origin | undefined {
  const isCut = [fields.image, fields.image_version].some((text) => String(text).length >= namedTextLength);
  if (on !== 'vulnerabilities' || images === undefined || isCut) return undefined;
  if (!images.includes(textNumber(imageKey(fields)))) return 'new-image';
  return isNew ? 'disclosed' : undefined;
}
