/** As an SDK of AWS throws it. */
interface SdkError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** The status of an answer; undefined: there was none. */
export function statusOf(error: unknown): number | undefined {
  return (error as SdkError).$metadata?.httpStatusCode;
}

/**
 * Whether a service of AWS, or the way to it, says nothing of what was asked for: no answer, a broken one, or too many calls.
 * It may be otherwise a moment later. Without credentials or a region nothing was asked.
 */
export function isAwsOutage(error: unknown): boolean {
  const { name, message } = error as SdkError;
  if (name === 'CredentialsProviderError' || message === 'Region is missing') return false;
  const status = statusOf(error);
  if (status === undefined || status < 300 || status === 429 || status >= 500) return true;
  return /throttl|toomanyrequests|slowdown/i.test(String(name));
}
