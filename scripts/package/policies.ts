import type { Config } from '../../lib/config/parse.ts';
import { InputError } from '../../lib/core/errors.ts';
import { isS3, parseS3Location } from '../../lib/core/s3-location.ts';

/**
 * Whether the functions may read the policies in S3 that a config names.
 * @param bucket that they may read, or none
 * @param prefix how the keys of what they may read there begin
 * @throws {InputError} the first that they may not, and the parameter that lets them
 */
export function checkPolicies({ sources }: Config, bucket: string, prefix: string): void {
  for (const policy of sources.map((source) => source.policy).filter(isS3)) {
    const location = parseS3Location(policy);
    if (location === undefined) continue; // the config was refused for it
    if (location.bucket !== bucket)
      throw new InputError(
        bucket === ''
          ? `${policy}: the functions may not read it: give --param policyBucket=${location.bucket}`
          : `${policy}: the functions may not read it: policyBucket is ${bucket}, and all policies in S3 have to lie in that one bucket`,
      );
    if (!location.key.startsWith(prefix)) {
      const folder = location.key.slice(0, location.key.lastIndexOf('/') + 1);
      throw new InputError(
        `${policy}: the functions may not read it: its key does not begin with ${prefix}: give --param policyPrefix=${folder || location.key}, or less of it`,
      );
    }
  }
}
