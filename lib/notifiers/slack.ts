import { IncomingWebhook } from '@slack/webhook';
import type { Notifier } from '../app/ports.ts';
import { renderSlack, renderSlackPlain, type SlackPayload } from '../core/render/slack.ts';
import type { Secret } from '../core/secret.ts';
import { type HttpResponse, readText } from '../http/request.ts';
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

export interface SlackOptions extends Edges {
  readonly receiver: string;
  /** The URL of an incoming webhook: whoever knows it can post. */
  readonly webhook: SecretSource;
}

/**
 * Post to an incoming webhook.
 *
 * The library sends the request; what became of it is read here, since the library has no time-out, never tries a 429
 * again, hides `Retry-After`, takes any body of a 200 for success, and puts a malformed URL into its error.
 *
 * @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
 */
export function createSlackNotifier(options: SlackOptions): Notifier {
  const { receiver, webhook } = options;
  return {
    receiver,
    address: () => addressOf(webhook),
    async deliver(notice, _nowMs, signal) {
      const withWebhook = withSecret(webhook, [401, 403, 404]);
      let { payload } = renderSlack(notice);
      let refused: string | undefined;
      const attempt = () =>
        withWebhook(async (url) => {
          const refusal = await post(url, payload, options, signal);
          if (!refusal?.tooRich || payload.blocks === undefined) return refusal;
          // Better a plain message than none: once refused, blocks would be refused again.
          refused = refusal.word ?? `status ${refusal.status}`;
          payload = renderSlackPlain(notice, refused).payload;
          return post(url, payload, options, signal);
        });
      await deliver(receiver, options, attempt, signal);
      return refused === undefined ? undefined : { refusal: `Slack says ${refused}` };
    },
  };
}

interface SlackRefusal extends Refusal {
  readonly word?: string | undefined;
  /** Slack took offence at the message rather than at the webhook. */
  readonly tooRich?: boolean;
}

async function post(
  secret: Secret,
  payload: SlackPayload,
  { http, clock, timeouts = defaultTimeouts }: Edges,
  signal: AbortSignal | undefined,
): Promise<SlackRefusal | undefined> {
  const url = urlOf(secret);
  if (url === undefined) return noUrl;

  let answer: Answer | undefined;
  let failure: unknown;
  const client = new IncomingWebhook(url.href, {
    async fetch(_url, init = {}) {
      try {
        const body = String(init.body);
        const response = await http.send({ method: 'POST', url, headers: init.headers ?? {}, body, timeouts, signal });
        answer = { status: response.status, headers: response.headers, text: await readText(response.body, 1024) };
        return fetched(answer);
      } catch (error) {
        failure = error;
        throw new Error('no answer');
      }
    },
  });
  try {
    await client.send({ ...payload });
  } catch {
    // What went wrong is in `answer` or `failure`; the library's error may hold the URL.
  }
  return answer === undefined ? refusalOfError(failure) : judge(answer, clock.nowMs());
}

interface Answer {
  readonly status: number;
  readonly headers: HttpResponse['headers'];
  readonly text: string;
}

/** As much of a fetch Response as the library looks at. */
function fetched({ status, headers, text }: Answer) {
  return {
    ok: status >= 200 && status < 300,
    status,
    statusText: '',
    url: '',
    headers: { get: (name: string) => headers[name.toLowerCase()] ?? null, entries: () => Object.entries(headers) },
    arrayBuffer: async () => new TextEncoder().encode(text).buffer,
    json: async (): Promise<unknown> => JSON.parse(text),
    text: async () => text,
  };
}

function judge({ status, headers, text }: Answer, nowMs: number): SlackRefusal | undefined {
  if (status === 200 && text.trim() === 'ok') return undefined;
  if (status >= 200 && status < 300) {
    const reason = `answered ${status} but not "ok": the URL is not that of a Slack webhook, or a proxy answered`;
    return { reason, retryable: false, status };
  }
  const word = /^[a-z_]{1,40}$/.exec(text.trim())?.[0];
  const said = word === undefined ? `answered ${status}` : `Slack says ${word} (${status})`;
  const todo = (word && byWord[word]) ?? byStatus(status);
  const reason = todo === undefined ? said : `${said}: ${todo}`;
  const tooRich = status === 400 || status === 413;
  return { ...refusalOf(status, reason, headers['retry-after'], nowMs), word, tooRich };
}

const renew = 'make a new one and update the secret';

const byWord: Readonly<Record<string, string>> = {
  no_service: `the webhook was removed, ${renew}`,
  no_service_id: `the webhook was removed, ${renew}`,
  no_active_hooks: `the webhook was switched off, ${renew}`,
  no_team: `the workspace of the webhook is gone, ${renew}`,
  team_disabled: `the workspace of the webhook is switched off, ${renew}`,
  invalid_token: `the webhook is not valid, ${renew}`,
  channel_not_found: 'the channel of the webhook is gone, make a webhook for another and update the secret',
  channel_is_archived: 'the channel is archived, restore it or make a webhook for another and update the secret',
  action_prohibited: 'the workspace does not let this webhook post, ask its administrators',
  posting_to_general_channel_denied: 'the workspace does not let this webhook post to its general channel',
  user_not_found: 'the user the webhook posts to is gone, make a webhook for a channel and update the secret',
};

function byStatus(status: number): string | undefined {
  if (status >= 300 && status < 400) return 'a redirect, which is not followed: the URL is not that of a webhook';
  if (status === 401 || status === 403) return `the webhook may not post, ${renew}`;
  if (status === 404 || status === 410) return `there is no such webhook any more, ${renew}`;
  if (status === 429) return 'too many messages';
  return undefined;
}
