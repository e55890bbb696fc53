import { InputError, UndeterminedError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
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
    if (typeof url !== 'function') return await call(url, http, signal);
    const secret = await url(false);
    const reason = await callSecret(secret, http, signal);
    if (reason === undefined || !refused.test(reason)) return reason;
    // It may be another one by now.
    const renewed = await url(true);
    return renewed.reveal() === secret.reveal() ? reason : await callSecret(renewed, http, signal);
  } catch (error) {
    if (error instanceof HttpError) return error.reason;
    if (error instanceof UndeterminedError || error instanceof InputError) return error.message;
    throw error;
  }
}

const refused = /^answered (?:401|403|404|410)$/;

async function callSecret(secret: Secret, http: Http, signal: AbortSignal | undefined): Promise<string | undefined> {
  const to = urlOf(secret);
  return to === undefined ? 'its secret is not a URL: update it' : call(to, http, signal);
}

async function call(url: URL, http: Http, signal: AbortSignal | undefined): Promise<string | undefined> {
  const headers = { 'user-agent': 'portcullis' };
  const { status, body } = await http.send({ method: 'GET', url, headers, timeouts: defaultTimeouts, signal });
  await readText(body, 1024).catch(() => {});
  return status >= 200 && status < 300 ? undefined : `answered ${status}`;
}
