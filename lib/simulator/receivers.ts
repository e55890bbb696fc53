import type { IncomingMessage, ServerResponse } from 'node:http';
import { listen } from './loopback.ts';
import { slackProblems } from './slack-problems.ts';

export { slackProblems };

/** How a call is answered; what is left out is as if the receiver took the message. */
export type Reply =
  | {
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string;
      /** Answered only after this. */
      readonly after?: Promise<unknown>;
    }
  /** Never answered. */
  | 'hang'
  /** The connection is reset instead. */
  | 'reset';

export interface ReceiverOptions {
  /** `slack` checks the message before anything else, as Slack does; `webhook` takes all. Default `webhook`. */
  readonly kind?: 'slack' | 'webhook';
  /** Replies to the calls in order; afterwards all messages are taken. */
  readonly script?: readonly Reply[];
}

export interface Received {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** Absent: no JSON. */
  readonly json: unknown;
  /** Why Slack would not take it; always empty for a webhook. */
  readonly problems: readonly string[];
  /** Absent: nothing was answered (yet). */
  readonly status: number | undefined;
}

export interface Receiver {
  /** Without a path; any path is served. */
  readonly url: string;
  readonly port: number;
  readonly received: readonly Received[];
  /** Replies still to come; push to have more. */
  readonly script: Reply[];
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Something that messages are posted to, on loopback. */
export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  const isSlack = options.kind === 'slack';
  const received: (Received & { status: number | undefined })[] = [];
  const script = [...(options.script ?? [])];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = Buffer.concat(await request.toArray()).toString('utf8');
    const json = parseJson(text);
    const entry: (typeof received)[number] = {
      method: request.method ?? '',
      path: request.url ?? '/',
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      text,
      json,
      problems: isSlack ? slackProblems(json) : [],
      status: undefined,
    };
    received.push(entry);

    const reply =
      entry.problems.length > 0 ? { status: 400, body: slackError(entry.problems) } : (script.shift() ?? {});
    if (reply === 'hang') return;
    if (reply === 'reset') {
      request.socket.resetAndDestroy();
      return;
    }
    if ('after' in reply) await reply.after;
    entry.status = reply.status ?? 200;
    const body = reply.body ?? (isSlack && entry.status === 200 ? 'ok' : '');
    response.writeHead(entry.status, { 'content-type': 'text/html', ...reply.headers }).end(body);
  }

  const server = await listen((request, response) => {
    handle(request, response).catch((error: Error) => response.destroy(error));
  });
  const { url, port, close } = server;
  return { url, port, received, script, close, [Symbol.asyncDispose]: close };
}

/** Slack's word for what is wrong: the whole body of its 400. */
function slackError(problems: readonly string[]): string {
  const [first = ''] = problems;
  if (first.startsWith('blocks')) return 'invalid_blocks';
  if (first.startsWith('attachments')) return 'invalid_attachments';
  return first === 'text: absent' || first === 'text: empty' ? 'no_text' : 'invalid_payload';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
