import { STATUS_CODES } from 'node:http';
import { inspect } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { afterAll, describe, expect, test } from 'vitest';
import type { Clock, Notifier } from '../../lib/app/ports.ts';
import { DeliveryError, InputError, NotTriedError } from '../../lib/core/errors.ts';
import type { Notice } from '../../lib/core/notice.ts';
import { renderAlertmanager } from '../../lib/core/render/alertmanager.ts';
import { renderCloudEvent } from '../../lib/core/render/cloudevents.ts';
import { renderSlack, renderSlackPlain, type SlackPayload } from '../../lib/core/render/slack.ts';
import { documentBytes, renderWebhook } from '../../lib/core/render/webhook.ts';
import { Secret } from '../../lib/core/secret.ts';
import { createHttp, type Http, type Timeouts } from '../../lib/http/request.ts';
import type { Attempts, SecretSource } from '../../lib/notifiers/attempts.ts';
import { createSlackNotifier } from '../../lib/notifiers/slack.ts';
import { createWebhookNotifier, type WebhookFormat } from '../../lib/notifiers/webhook.ts';
import { alerts, changes, first, news } from '../fixtures/render/news-samples.ts';
import { vulnerability } from '../fixtures/render/samples.ts';
import { slackProblems } from '../fixtures/render/slack-limits.ts';
import { type Reply, type Seen, type StubServer, startServer } from '../support/http-server.ts';

const canary = 'CANARY7Qm2xK9d';
const path = `/services/T0/B0/${canary}`;
const signingSecret = `whsec_${Buffer.from(canary).toString('base64')}`;
const told = changes;

const http = createHttp();
afterAll(() => http.close());

/** A clock that nobody has to wait for. */
function fakeClock(): Clock & { readonly slept: number[] } {
  let nowMs = Date.now();
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => nowMs,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      slept.push(ms);
      nowMs += ms;
    },
  };
}

interface Given {
  readonly url: string | SecretSource;
  readonly http?: Http;
  readonly clock?: Clock;
  readonly timeouts?: Timeouts;
  readonly attempts?: Attempts;
}

interface Kind {
  readonly kind: string;
  readonly contentType: string;
  create(given: Given): Notifier;
  /** What a body that arrived tells, so that a message that is not the one fails the test. */
  arrived(body: string, told: Notice): void;
}

const edges = { receiver: 'chat', http, random: () => 1 };

function given({ url, clock = fakeClock(), timeouts, attempts, http = edges.http }: Given) {
  const get: SecretSource = typeof url === 'string' ? async () => new Secret(url) : url;
  return { ...edges, http, clock, get, ...(timeouts && { timeouts }), ...(attempts && { attempts }) };
}

const slack: Kind = {
  kind: 'slack',
  contentType: 'application/json',
  create(options) {
    const { get, ...rest } = given(options);
    return createSlackNotifier({ ...rest, webhook: get });
  },
  arrived(body, sent) {
    const payload = JSON.parse(body) as SlackPayload;
    expect(payload).toEqual(renderSlack(sent).payload);
    expect(slackProblems(payload)).toEqual([]);
  },
};

const validForMs = 3_600_000;

function webhookKind(format: WebhookFormat, contentType: string, render: (sent: Notice) => unknown): Kind {
  return {
    kind: `webhook, ${format}`,
    contentType,
    create(options) {
      const { get, ...rest } = given(options);
      const secret: SecretSource = async () => new Secret(signingSecret);
      return createWebhookNotifier({ ...rest, url: get, signingSecret: secret, format, validForMs });
    },
    arrived(body, sent) {
      expect(JSON.parse(body)).toEqual(JSON.parse(JSON.stringify(render(sent))));
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(documentBytes);
    },
  };
}

const webhook = webhookKind('portcullis', 'application/json', (sent) => renderWebhook(sent));
const cloudEvents = webhookKind('cloudevents', 'application/cloudevents+json', renderCloudEvent);
const alertmanager = webhookKind('alertmanager', 'application/json', (sent) =>
  renderAlertmanager(sent, sent.atMs + validForMs),
);

const ok: Reply = { status: 200, body: 'ok' };

function expectPosts(server: StubServer, ...replies: Reply[]): void {
  server.expect(...replies.map((reply) => ({ method: 'POST', path, reply })));
}

async function failureOf(delivery: Promise<unknown>): Promise<DeliveryError> {
  const error = await delivery.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DeliveryError)) throw error ?? new Error('it was delivered');
  const everything = [
    inspect(error, { depth: 9, showHidden: true }),
    error.stack,
    error.message,
    JSON.stringify(error),
  ];
  expect(everything.join('\n')).not.toMatch(new RegExp(`${canary}|/services/|${signingSecret}`));
  expect(error.cause).toBeUndefined();
  expect(error.receiver).toBe('chat');
  return error;
}

function cutOff(_seen: Seen, response: { socket: { destroy(): void } | null }): void {
  response.socket?.destroy();
}

describe.each([slack, webhook, cloudEvents, alertmanager])('$kind', ({ kind, contentType, create, arrived }) => {
  test.each([
    { what: 'what changed in a cluster', sent: changes },
    { what: 'what stands in several clusters', sent: first },
    {
      what: 'a hundred thousand violations with names of any length',
      sent: alerts({
        news: [
          news({
            findings: Array.from({ length: 20 }, (_, i) => vulnerability(i, { image: '<!channel>'.repeat(10_000) })),
            count: 100_000,
            omitted: 99_980,
          }),
        ],
      }),
    },
  ])('delivers $what', async ({ sent }) => {
    const server = await startServer();
    expectPosts(server, ok);

    await create({ url: server.origin + path }).deliver(sent, 0);

    expect(server.seen).toHaveLength(1);
    expect(server.seen[0]?.headers['content-type']).toBe(contentType);
    arrived(server.seen[0]?.body ?? '', sent);
  });

  describe('tries again on 429 and 5xx, and on nothing else', () => {
    const statuses = [...Object.keys(STATUS_CODES).map(Number), 299, 399, 420, 499, 520, 599].filter((s) => s >= 300);

    test.each(statuses)('%i', async (status) => {
      const again = status === 429 || status >= 500;
      const server = await startServer();
      const clock = fakeClock();
      const reply = { status, headers: { location: `${server.origin}/elsewhere` }, body: `<p>${canary}</p>` };
      // Slack gets a plain message where it refuses the blocks.
      const plainToo = kind === 'slack' && (status === 400 || status === 413);
      expectPosts(server, reply, ...(again ? [ok] : plainToo ? [reply] : []));

      const delivery = create({ url: server.origin + path, clock }).deliver(told, 0);

      if (again) {
        await delivery;
        arrived(server.seen[1]?.body ?? '', told);
      } else {
        const error = await failureOf(delivery);
        expect(error).toMatchObject({ retryable: false, status });
        expect(error.message).toMatch(new RegExp(`^deliver to chat: .*${status}`));
      }
      expect(clock.slept).toHaveLength(again ? 1 : 0);
    });
  });

  test('gives up after four attempts, which the next run may repeat', async () => {
    const server = await startServer();
    const clock = fakeClock();
    expectPosts(server, ...Array<Reply>(4).fill({ status: 503 }));

    const error = await failureOf(create({ url: server.origin + path, clock }).deliver(told, 0));

    expect(error).toMatchObject({ retryable: true, status: 503, message: expect.stringContaining('4 times') });
    expect(clock.slept).toEqual([1_000, 2_000, 4_000]);
  });

  test.each([
    { name: 'seconds', header: () => '17' },
    { name: 'a date', header: (nowMs: number) => new Date(Math.ceil(nowMs / 1000) * 1000 + 17_000).toUTCString() },
  ])('waits as long as Retry-After asks: $name', async ({ header }) => {
    const server = await startServer();
    const clock = fakeClock();
    expectPosts(server, { status: 429, headers: { 'retry-after': header(clock.nowMs()) } }, ok);

    await create({ url: server.origin + path, clock }).deliver(told, 0);

    arrived(server.seen[1]?.body ?? '', told);
    expect(clock.slept).toHaveLength(1);
    expect(clock.slept[0]).toBeGreaterThanOrEqual(17_000);
    expect(clock.slept[0]).toBeLessThanOrEqual(18_000);
  });

  test.each([
    { has: 'a deadline', signal: new AbortController().signal, waits: '45', leaves: '46' },
    { has: 'no deadline', signal: undefined, waits: '180', leaves: '181' },
  ])('leaves a longer pause to the next run: a run with $has one of $leaves s', async ({ signal, waits, leaves }) => {
    const server = await startServer();
    const clock = fakeClock();
    expectPosts(server, { status: 429, headers: { 'retry-after': waits } }, ok);
    await create({ url: server.origin + path, clock }).deliver(told, 0, signal);
    expect(clock.slept).toEqual([Number(waits) * 1_000]);

    expectPosts(server, { status: 429, headers: { 'retry-after': leaves } });
    const error = await failureOf(create({ url: server.origin + path, clock }).deliver(told, 0, signal));
    expect(error).toMatchObject({ retryable: true, status: 429, message: expect.stringContaining(`wait ${leaves} s`) });
    expect(clock.slept).toHaveLength(1);
  });

  test('tries again after a connection that was cut', async () => {
    const server = await startServer();
    expectPosts(server, cutOff, ok);

    await create({ url: server.origin + path }).deliver(told, 0);

    arrived(server.seen[1]?.body ?? '', told);
  });

  test('tries again after silence', async () => {
    const server = await startServer();
    const timeouts = { connectMs: 1_000, headersMs: 1_000, bodyMs: 1_000, totalMs: 80 };
    expectPosts(server, () => {}, ok);

    await create({ url: server.origin + path, timeouts }).deliver(told, 0);

    arrived(server.seen[1]?.body ?? '', told);
  });

  test('says what is wrong when nobody answers', async () => {
    const closed = 'http://127.0.0.1:9';
    const clock = fakeClock();

    const error = await failureOf(create({ url: closed + path, clock }).deliver(told, 0));

    expect(error).toMatchObject({ retryable: true, status: undefined, message: expect.stringContaining('connect') });
    expect(clock.slept).toHaveLength(3);
  });

  test('reads no more of an answer than it needs', async () => {
    const server = await startServer();
    let ended: () => void = () => {};
    const closed = new Promise<void>((resolve) => {
      ended = resolve;
    });
    expectPosts(server, (_seen, response) => {
      response.on('close', ended).writeHead(404);
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
      };
      response.on('drain', pour);
      pour();
    });

    await failureOf(create({ url: server.origin + path }).deliver(told, 0));
    await closed;
  });

  test('stops when it is told to', async () => {
    const server = await startServer();
    const controller = new AbortController();
    expectPosts(server, (_seen, response) => {
      controller.abort();
      response.writeHead(503).end();
    });

    const delivery = create({ url: server.origin + path }).deliver(told, 0, controller.signal);

    expect(await failureOf(delivery)).toMatchObject({ retryable: true });
  });

  test('what there is no time to send was not tried, and is not held against the receiver', async () => {
    const server = await startServer();

    const error = await failureOf(create({ url: server.origin + path }).deliver(told, 0, AbortSignal.abort()));

    expect(error).toBeInstanceOf(NotTriedError);
    expect(error).toMatchObject({ retryable: true, mayBeTaken: false, message: expect.stringContaining('no time') });
  });

  test('so was not what was stopped before there was a connection; what was sent may be taken', async () => {
    const [connecting, waiting] = [new AbortController(), new AbortController()];
    const http = createHttp({ lookup: () => connecting.abort() });
    const stopped = create({ url: `http://nowhere.example${path}`, http }).deliver(told, 0, connecting.signal);
    expect(await failureOf(stopped)).toBeInstanceOf(NotTriedError);

    const server = await startServer();
    expectPosts(server, () => waiting.abort());
    const error = await failureOf(create({ url: server.origin + path }).deliver(told, 0, waiting.signal));
    expect(error).not.toBeInstanceOf(NotTriedError);
    expect(error).toMatchObject({ retryable: true, mayBeTaken: true });
    expect(error.message).toContain('stopped before there was an answer');
  });

  test('there is no time left for a pause', async () => {
    const server = await startServer();
    const clock: Clock = { nowMs: Date.now, sleep: () => Promise.reject(new Error('aborted')) };
    expectPosts(server, { status: 503 });

    const error = await failureOf(create({ url: server.origin + path, clock }).deliver(told, 0));

    expect(error).toMatchObject({ retryable: true, message: expect.stringContaining('no time') });
  });

  test.each([401, 403, 404])('a secret that was replaced is fetched once more after %i', async (status) => {
    const server = await startServer();
    const asked: boolean[] = [];
    server.expect({ method: 'POST', path: '/old', reply: { status } });
    expectPosts(server, ok);

    const url: SecretSource = async (refresh) => {
      asked.push(refresh);
      return new Secret(server.origin + (refresh ? path : '/old'));
    };
    await create({ url }).deliver(told, 0);

    expect(asked).toEqual([false, true]);
    arrived(server.seen[1]?.body ?? '', told);
  });

  test('a secret that is the same, or that cannot be fetched again, is not tried again', async () => {
    const server = await startServer();
    expectPosts(server, { status: 403 }, { status: 403 });
    const url = server.origin + path;
    const broken: SecretSource = async (refresh) => {
      if (refresh) throw new Error(canary);
      return new Secret(url);
    };

    expect(await failureOf(create({ url }).deliver(told, 0))).toMatchObject({ status: 403, retryable: false });
    expect(await failureOf(create({ url: broken }).deliver(told, 0))).toMatchObject({ status: 403, retryable: false });
  });

  test.each([
    {
      name: 'not set',
      thrown: new InputError('env://CHAT is not set'),
      retryable: false,
      says: 'env://CHAT is not set',
    },
    { name: 'out of reach', thrown: new Error(`no ${canary}`), retryable: true, says: 'secret cannot be read' },
  ])('a secret that is $name', async ({ thrown, retryable, says }) => {
    const error = await failureOf(create({ url: () => Promise.reject(thrown) }).deliver(told, 0));

    expect(error).toMatchObject({ retryable, message: expect.stringContaining(says) });
  });

  test.each([canary, `https://${canary}:99999${path}`, `file://${path}`, ''])(
    'a secret that is no URL (%#)',
    async (url) => {
      const error = await failureOf(create({ url }).deliver(told, 0));

      expect(error).toMatchObject({ retryable: false, message: 'deliver to chat: its secret is not a URL: update it' });
    },
  );
});

describe('slack alone', () => {
  test.each([
    { status: 200, body: '<html>proxy</html>', says: /answered 200 but not "ok"/ },
    { status: 200, body: '{"ok":true}', says: /answered 200 but not "ok"/ },
    { status: 200, body: '', says: /answered 200 but not "ok"/ },
    { status: 204, body: '', says: /answered 204 but not "ok"/ },
    { status: 404, body: 'no_service', says: /Slack says no_service \(404\): the webhook was removed, make a new one/ },
    {
      status: 410,
      body: 'channel_is_archived',
      says: /Slack says channel_is_archived \(410\): the channel is archived/,
    },
    { status: 403, body: 'action_prohibited\n', says: /action_prohibited \(403\): .* ask its administrators/ },
    { status: 403, body: 'something_new', says: /Slack says something_new \(403\): the webhook may not post/ },
    { status: 403, body: `token ${canary}`, says: /answered 403: the webhook may not post/ },
    { status: 302, body: '', says: /a redirect, which is not followed/ },
  ])('$status "$body" is a failed delivery with a reason', async ({ status, body, says }) => {
    const server = await startServer();
    expectPosts(server, { status, ...(status === 204 ? {} : { body }) });

    const error = await failureOf(slack.create({ url: server.origin + path }).deliver(told, 0));

    expect(error).toMatchObject({ status, retryable: false, message: expect.stringMatching(says) });
    // Whoever answered so may have posted it.
    expect(error.mayBeTaken).toBe(status < 300);
  });

  test('an "ok" that was cut is no ok', async () => {
    const server = await startServer();
    const cut: Reply = (_seen, response) => {
      response.writeHead(200, { 'content-length': '2' });
      response.write('o', () => response.socket?.destroy());
    };
    expectPosts(server, cut, ok);

    await slack.create({ url: server.origin + path }).deliver(told, 0);

    slack.arrived(server.seen[1]?.body ?? '', told);
  });

  test('blocks that Slack refuses are told as text, which says so, also when it takes more attempts', async () => {
    const server = await startServer();
    expectPosts(server, { status: 400, body: 'invalid_blocks' }, { status: 503 }, ok);

    await slack.create({ url: server.origin + path }).deliver(told, 0);

    const payload = JSON.parse(server.seen[2]?.body ?? '');
    expect(payload).toEqual(renderSlackPlain(told, 'invalid_blocks').payload);
    expect(payload.text).toContain('no-high-vulnerabilities');
    expect(payload.text).toContain('invalid_blocks');
  });

  test('sends nothing but the message: no secret in the body', async () => {
    const server = await startServer();
    expectPosts(server, ok);

    await slack.create({ url: ` ${server.origin + path}\n` }).deliver(told, 0);

    expect(server.seen[0]?.body).not.toContain(canary);
  });
});

describe('webhook alone', () => {
  test('is signed anew on every attempt, under the same id, as the receivers of Standard Webhooks check it', async () => {
    const server = await startServer();
    expectPosts(server, { status: 503 }, ok);

    await webhook.create({ url: server.origin + path }).deliver(told, 0);

    const verifier = new Webhook(signingSecret);
    const [first, second] = server.seen;
    for (const one of [first, second]) {
      expect(one?.headers['webhook-id']).toBe(told.id);
      expect(verifier.verify(one?.body ?? '', one?.headers as Record<string, string>)).toMatchObject({ id: told.id });
      expect(() => verifier.verify(`${one?.body} `, one?.headers as Record<string, string>)).toThrow();
    }
    const seconds = (one: Seen | undefined) => Number(one?.headers['webhook-timestamp']);
    expect(seconds(second) - seconds(first)).toBe(1);
  });

  test.each(['portcullis', 'cloudevents', 'alertmanager'] as const)(
    'while a signing secret is replaced, the old and the new one verify: %s',
    async (format) => {
      const server = await startServer();
      const next = `whsec_${Buffer.from('another secret').toString('base64')}`;
      expectPosts(server, ok);

      const notifier = createWebhookNotifier({
        ...edges,
        clock: fakeClock(),
        url: new URL(server.origin + path),
        signingSecret: async () => new Secret(`${next} ${signingSecret}\n`),
        format,
      });
      await notifier.deliver(told, 0);

      const { body = '', headers } = server.seen[0] ?? {};
      const signed = headers as Record<string, string>;
      expect(headers?.['webhook-id']).toBe(told.id);
      for (const secret of [next, signingSecret]) {
        expect(new Webhook(secret).verify(body, signed)).toEqual(JSON.parse(body));
        expect(() => new Webhook(secret).verify(`${body} `, signed)).toThrow();
      }
      const third = `whsec_${Buffer.from('a third secret').toString('base64')}`;
      expect(() => new Webhook(third).verify(body, signed)).toThrow();
    },
  );

  test('a signing secret that was replaced is fetched once more', async () => {
    const server = await startServer();
    expectPosts(server, { status: 401 }, ok);

    const notifier = createWebhookNotifier({
      ...edges,
      clock: fakeClock(),
      url: new URL(server.origin + path),
      signingSecret: async (refresh) => new Secret(refresh ? signingSecret : 'whsec_b2xk'),
    });
    await notifier.deliver(told, 0);

    const { body = '', headers } = server.seen[1] ?? {};
    expect(new Webhook(signingSecret).verify(body, headers as Record<string, string>)).toMatchObject({ id: told.id });
  });

  test.each([`whsec_${canary}!`, 'whsec_', ''])('a signing secret that is none sends nothing (%#)', async (secret) => {
    const server = await startServer();
    const notifier = createWebhookNotifier({
      ...edges,
      clock: fakeClock(),
      url: new URL(server.origin + path),
      signingSecret: async () => new Secret(secret),
    });

    const error = await failureOf(notifier.deliver(told, 0));

    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('signing secret is not') });
    expect(server.seen).toEqual([]);
  });

  test('without a signing secret it is not signed, and has its id all the same', async () => {
    const server = await startServer();
    expectPosts(server, ok);

    await createWebhookNotifier({ ...edges, clock: fakeClock(), url: new URL(server.origin + path) }).deliver(told, 0);

    expect(server.seen[0]?.headers).toMatchObject({ 'webhook-id': told.id });
    expect(server.seen[0]?.headers).not.toHaveProperty('webhook-signature');
    webhook.arrived(server.seen[0]?.body ?? '', told);
  });

  test.each([200, 201, 202, 204, 299])('%i is success, whatever the body, or if it breaks off', async (status) => {
    const server = await startServer();
    const cut: Reply = (_seen, response) => {
      response.writeHead(status, { 'content-length': '9' });
      response.write('x', () => response.socket?.destroy());
    };
    expectPosts(server, { status }, ...(status === 204 ? [] : [cut]));
    const notifier = webhook.create({ url: server.origin + path });

    await notifier.deliver(told, 0);
    if (status !== 204) await notifier.deliver(told, 0);

    for (const { body } of server.seen) webhook.arrived(body, told);
  });

  test('410 says that the receiver is gone', async () => {
    const server = await startServer();
    expectPosts(server, { status: 410 });

    const error = await failureOf(webhook.create({ url: server.origin + path }).deliver(told, 0));

    expect(error).toMatchObject({ retryable: false, message: expect.stringContaining('the receiver is gone') });
  });
});

describe('alertmanager alone', () => {
  test('what is sent late is valid from then on: nothing that fires arrives as resolved', async () => {
    const server = await startServer();
    expectPosts(server, ok, ok);
    const notifier = alertmanager.create({ url: server.origin + path });
    const lateMs = told.atMs + 40 * 86_400_000;

    await notifier.deliver(told, told.atMs);
    await notifier.deliver(told, lateMs);

    const [inTime, late] = server.seen.map(({ body }) => JSON.parse(body)[0].endsAt);
    expect(inTime).toBe(new Date(told.atMs + validForMs).toISOString());
    expect(late).toBe(new Date(lateMs + validForMs).toISOString());
  });

  test.each([404, 405])('%i says what its URL has to be', async (status) => {
    const server = await startServer();
    expectPosts(server, { status });

    const error = await failureOf(alertmanager.create({ url: server.origin + path }).deliver(told, 0));

    expect(error.message).toContain('has to end in /api/v2/alerts');
  });
});
