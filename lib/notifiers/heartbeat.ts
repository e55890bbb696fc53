import { UndeterminedError } from '../core/errors.ts';
import { type Http, HttpError, readText } from '../http/request.ts';
import { defaultTimeouts, type SecretSource, urlOf } from './attempts.ts';

/**
 * Tell a watchdog, such as Healthchecks, that a run went well: it raises the alarm when that stays out.
 * @returns why it could not be told; nothing secret is in it
 */
export async function sendHeartbeat(
  url: URL | SecretSource,
  http: Http,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const to = typeof url === 'function' ? urlOf(await url(false)) : url;
    if (to === undefined) return 'its secret is not a URL: update it';
    const headers = { 'user-agent': 'portcullis' };
    const { status, body } = await http.send({ method: 'GET', url: to, headers, timeouts: defaultTimeouts, signal });
    await readText(body, 1024).catch(() => {});
    return status >= 200 && status < 300 ? undefined : `answered ${status}`;
  } catch (error) {
    if (error instanceof HttpError) return error.reason;
    if (error instanceof UndeterminedError) return error.message;
    throw error;
  }
}
