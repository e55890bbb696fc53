import { Webhook } from 'standardwebhooks';
import type { Notifier } from '../app/ports.ts';
import type { Notice } from '../core/notice.ts';
import { renderAlertmanager } from '../core/render/alertmanager.ts';
import { cloudEventType, renderCloudEvent } from '../core/render/cloudevents.ts';
import { renderWebhook } from '../core/render/webhook.ts';
import { Secret } from '../core/secret.ts';
import { readText } from '../http/request.ts';
import {
  addressOf,
  defaultTimeouts,
  deliver,
  type Edges,
  noUrl,
  type Refusal,
  refusalOf,
  refusalOfError,
  type SecretSource,
  urlOf,
  withSecret,
} from './attempts.ts';

export interface WebhookOptions extends Edges {
  readonly receiver: string;
  /** A secret where knowing it is all it takes to post. */
  readonly url: URL | SecretSource;
  /** `whsec_` and base64; while one is replaced by another, both, separated by a space. */
  readonly signingSecret?: SecretSource;
  /** Default `portcullis`. */
  readonly format?: WebhookFormat;
  /**
   * For `alertmanager`: how long what fires is posted to stand. It has to be posted again before, or it is taken for
   * resolved. Default 365 days: reminders are up to 8 times 30 days apart if nothing else is configured.
   */
  readonly validForMs?: number;
}

/**
 * - `portcullis`: a document of ours, see docs/webhooks.md
 * - `cloudevents`: the same in a CloudEvent 1.0, structured mode
 * - `alertmanager`: a list of alerts for `/api/v2/alerts` of a Prometheus Alertmanager
 */
export type WebhookFormat = 'portcullis' | 'cloudevents' | 'alertmanager';

const defaultValidForMs = 365 * 86_400_000;

interface Body {
  readonly type: string;
  readonly text: string;
}

/**
 * Post the notice as JSON, signed as Standard Webhooks asks. Any 2xx is success; its body means nothing.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function createWebhookNotifier(options: WebhookOptions): Notifier {
  const { receiver, url, signingSecret, clock, format = 'portcullis', validForMs = defaultValidForMs } = options;
  const urlSource = typeof url === 'function' ? url : async () => new Secret(url.href);
  return {
    receiver,
    address: () => addressOf(urlSource),
    async deliver(notice, nowMs, signal) {
      // What is sent late must not be over when it arrives.
      const body = bodyOf(notice, format, Math.max(notice.atMs, nowMs) + validForMs);
      const withUrl = withSecret(urlSource, [401, 403, 404]);
      const withSigning = signingSecret && withSecret(signingSecret, [401, 403]);

      /** The id stays the same over all attempts, the time is that of the attempt. */
      function signedPost(to: URL): Promise<Refusal | undefined> {
        const at = new Date(clock.nowMs());
        const headers = { 'webhook-id': notice.id, 'webhook-timestamp': String(Math.floor(at.getTime() / 1000)) };
        if (withSigning === undefined) return post(to, body, headers, options, signal);
        return withSigning(async (secret) => {
          const signature = signatureOf(secret, notice.id, at, body.text);
          if (signature === undefined) return noSigningSecret;
          return post(to, body, { ...headers, 'webhook-signature': signature }, options, signal);
        });
      }

      const attempt = () =>
        withUrl(async (to) => {
          const parsed = urlOf(to);
          return parsed === undefined ? noUrl : signedPost(parsed);
        });
      await deliver(receiver, options, attempt, signal);
    },
  };
}

function bodyOf(notice: Notice, format: WebhookFormat, validUntilMs: number): Body {
  switch (format) {
    case 'portcullis':
      return { type: 'application/json', text: JSON.stringify(renderWebhook(notice)) };
    case 'cloudevents':
      return { type: cloudEventType, text: JSON.stringify(renderCloudEvent(notice)) };
    case 'alertmanager':
      return { type: 'application/json', text: JSON.stringify(renderAlertmanager(notice, validUntilMs)) };
  }
}

const noSigningSecret: Refusal = {
  reason: 'its signing secret is not "whsec_" and base64: update the secret',
  retryable: false,
};

/** A signature by each secret, of which the receiver needs one; undefined for what is no secret. */
function signatureOf(secrets: Secret, id: string, at: Date, body: string): string | undefined {
  try {
    const each = secrets.reveal().trim().split(/\s+/);
    // The library takes others too, and signs by something else than was meant.
    if (!each.every((secret) => /^whsec_(?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)))
      return undefined;
    return each.map((secret) => new Webhook(secret).sign(id, at, body)).join(' ');
  } catch {
    return undefined;
  }
}

async function post(
  url: URL,
  body: Body,
  headers: Readonly<Record<string, string>>,
  { http, clock, timeouts = defaultTimeouts, format }: WebhookOptions,
  signal: AbortSignal | undefined,
): Promise<Refusal | undefined> {
  try {
    const response = await http.send({
      method: 'POST',
      url,
      headers: { 'content-type': body.type, 'user-agent': 'portcullis', ...headers },
      body: body.text,
      timeouts,
      signal,
    });
    const { status } = response;
    // The status has decided; the body is read only to end the exchange.
    await readText(response.body, 1024).catch(() => {});
    if (status >= 200 && status < 300) return undefined;
    return refusalOf(status, reasonOf(status, format), response.headers['retry-after'], clock.nowMs());
  } catch (error) {
    return refusalOfError(error);
  }
}

function reasonOf(status: number, format: WebhookFormat | undefined): string {
  const said = `answered ${status}`;
  if (format === 'alertmanager' && (status === 404 || status === 405))
    return `${said}: the URL of an Alertmanager has to end in /api/v2/alerts`;
  if (status >= 300 && status < 400) return `${said}: a redirect, which is not followed: use the URL it leads to`;
  if (status === 401 || status === 403) return `${said}: check the signing secret`;
  if (status === 404) return `${said}: there is nothing at this URL`;
  if (status === 410) return `${said}: the receiver is gone, remove it from the config or renew its URL`;
  if (status === 429) return `${said}: too many messages`;
  return said;
}
