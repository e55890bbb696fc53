import type { LookupAddress } from 'node:dns';
import { createServer } from 'node:http';
import type { AddressInfo, LookupFunction } from 'node:net';
import { inspect } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Clock, Notifier } from '../../lib/app/ports.ts';
import { compose, loadConfig } from '../../lib/compose.ts';
import { DeliveryError } from '../../lib/core/errors.ts';
import { Secret } from '../../lib/core/secret.ts';
import { createGuard, type Reach } from '../../lib/http/addresses.ts';
import { createHttp, HttpError, type HttpRequest, readText } from '../../lib/http/request.ts';
import { createSlackNotifier } from '../../lib/notifiers/slack.ts';
import { createWebhookNotifier } from '../../lib/notifiers/webhook.ts';
import { changes } from '../fixtures/render/news-samples.ts';
import { configOf, startWorld } from '../support/world.ts';

const path = '/services/T0/B0/CANARY7Qm2xK9d';
const timeouts = { connectMs: 5_000, headersMs: 5_000, bodyMs: 5_000, totalMs: 5_000 };
const byAllow = 'a private address that allow does not list';

interface Door {
  readonly port: number;
  /** Those that were opened, whether or not a request came through. */
  readonly connections: () => number;
  readonly requests: string[];
}

/** A server that says "ok" to everything and counts who knocks. */
async function startDoor(host = '127.0.0.1', port = 0): Promise<Door> {
  let connections = 0;
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.headers.host}${request.url}`);
    response.end('ok');
  });
  server.on('connection', () => {
    connections++;
  });
  // TLS, which this server does not speak.
  server.on('clientError', (_, socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, connections: () => connections, requests };
}

/** DNS by a script: what a name has at each time it is asked for; the last answer stays. */
function dns(...answers: (readonly string[])[]): { readonly lookup: LookupFunction; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    lookup(name, options, callback) {
      const addresses = (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
      asked.push(name);
      const found = addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }));
      if (options.all) callback(null, found);
      else callback(null, found[0]?.address ?? '', found[0]?.family);
    },
  };
}

/** A clock that nobody has to wait for. */
function fakeClock(): Clock & { readonly slept: number[] } {
  let nowMs = Date.now();
  const slept: number[] = [];
  return {
    slept,
    nowMs: () => nowMs,
    async sleep(ms) {
      slept.push(ms);
      nowMs += ms;
    },
  };
}

function clientOf(reach: Reach, lookup?: LookupFunction) {
  const http = createHttp({ guard: createGuard(reach), ...(lookup && { lookup }) });
  onTestFinished(() => http.close());
  return http;
}

function post(url: string): HttpRequest {
  return { method: 'POST', url: new URL(path, url), headers: {}, body: '{}', timeouts };
}

async function refusalOf(sent: Promise<unknown>): Promise<HttpError> {
  const error = await sent.then(
    () => new Error('it was sent'),
    (reason: unknown) => reason,
  );
  if (!(error instanceof HttpError)) throw error;
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('CANARY');
  expect(error).toMatchObject({ phase: 'connect', retryable: false });
  return error;
}

/** `https` reaches a door that speaks no TLS: it was knocked at, and that is all. */
async function knocks(door: Door, sent: Promise<unknown>): Promise<void> {
  const before = door.connections();
  await expect(sent).rejects.toMatchObject({
    message: expect.stringMatching(/: (failed \(|closed by the other side)/),
  });
  expect(door.connections()).toBe(before + 1);
}

interface Given {
  readonly url: string;
  readonly reach?: Reach;
  readonly lookup?: LookupFunction;
  readonly clock?: Clock;
}

function edgesOf({ reach = {}, lookup, clock = fakeClock() }: Given) {
  return { receiver: 'soc', http: clientOf(reach, lookup), clock, random: () => 1 };
}

describe.each<{ kind: string; create: (given: Given) => Notifier }>([
  {
    kind: 'slack',
    create: (given) => createSlackNotifier({ ...edgesOf(given), webhook: async () => new Secret(given.url) }),
  },
  {
    kind: 'webhook',
    create: (given) => createWebhookNotifier({ ...edgesOf(given), url: async () => new Secret(given.url) }),
  },
])('$kind', ({ create }) => {
  test.each(['https', 'http'])(
    'a name that leads to loopback is refused once, and nobody knocks there: %s',
    async (scheme) => {
      const door = await startDoor();
      const { lookup, asked } = dns(['127.0.0.1']);
      const clock = fakeClock();
      const url = `${scheme}://hooks.example:${door.port}${path}`;

      const error = await create({ url, lookup, clock })
        .deliver(changes, 0)
        .catch((reason: unknown) => reason);

      const why = scheme === 'https' ? `resolves to ${byAllow}` : 'plain http: use https, or say insecure: true';
      expect(error).toBeInstanceOf(DeliveryError);
      expect(error).toMatchObject({ message: `deliver to soc: connect: ${why}`, retryable: false });
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/CANARY|services/);
      expect([door.connections(), clock.slept, asked.length]).toEqual([0, [], scheme === 'https' ? 1 : 0]);
    },
  );

  test('the same name is sent to with insecure: true', async () => {
    const door = await startDoor();
    const { lookup } = dns(['127.0.0.1']);
    const url = `http://hooks.example:${door.port}${path}`;

    await create({ url, lookup, reach: { insecure: true } }).deliver(changes, 0);

    expect(door.requests).toEqual([`POST hooks.example:${door.port}${path}`]);
  });
});

describe('an address in the URL', () => {
  test.each(['127.0.0.1', '127.0.0.1.', '0x7f.1', '2130706433', '0177.1', 'me:pass@127.0.0.1', '[::ffff:127.0.0.1]'])(
    '%s is loopback: nobody knocks there',
    async (host) => {
      const door = await startDoor();

      expect((await refusalOf(clientOf({}).send(post(`https://${host}:${door.port}`)))).message).toBe(`is ${byAllow}`);
      expect(door.connections()).toBe(0);
      // It would have got there.
      await knocks(door, clientOf({ insecure: true }).send(post(`https://${host}:${door.port}`)));
    },
  );

  test('localhost is looked up where the system does that, and refused', async () => {
    const door = await startDoor();

    expect((await refusalOf(clientOf({}).send(post(`https://localhost:${door.port}`)))).message).toBe(
      `resolves to ${byAllow}`,
    );
    expect(door.connections()).toBe(0);
    await clientOf({ insecure: true }).send(post(`http://localhost:${door.port}`));
    expect(door.requests).toHaveLength(1);
  });

  test.each(['localhost.', '127.0.0.1.example', '127.0.0.1..'])('%s is a name', async (host) => {
    const door = await startDoor();
    const { lookup, asked } = dns(['127.0.0.1']);

    const { message } = await refusalOf(clientOf({}, lookup).send(post(`https://${host}:${door.port}`)));

    expect([message, asked, door.connections()]).toEqual([`resolves to ${byAllow}`, [host], 0]);
  });
});

describe('a name of several addresses', () => {
  test('only those that are allowed are tried, whatever their order', async () => {
    const good = await startDoor();
    const bad = await startDoor('127.0.0.2', good.port);
    const { lookup } = dns(['127.0.0.2', '::ffff:127.0.0.2', '127.0.0.1'], ['127.0.0.1', '127.0.0.2']);
    const http = clientOf({ allow: ['127.0.0.1'] }, lookup);

    await knocks(good, http.send(post(`https://hooks.example:${good.port}`)));
    await knocks(good, http.send(post(`https://hooks.example:${good.port}`)));

    expect(bad.connections()).toBe(0);
  });

  test('where none answers of those that are allowed, the others are not tried either', async () => {
    const bad = await startDoor('127.0.0.2');
    const http = clientOf({ allow: ['127.0.0.1'] }, dns(['127.0.0.1', '127.0.0.2']).lookup);

    await expect(http.send(post(`https://hooks.example:${bad.port}`))).rejects.toMatchObject({ code: 'ECONNREFUSED' });

    expect(bad.connections()).toBe(0);
  });
});

test('a name is looked up once for an exchange: the address that was checked is the one that is connected to', async () => {
  const good = await startDoor();
  const bad = await startDoor('127.0.0.2', good.port);
  const { lookup, asked } = dns(['127.0.0.1'], ['127.0.0.2']);
  const http = clientOf({ allow: ['127.0.0.1'] }, lookup);

  await knocks(good, http.send(post(`https://hooks.example:${good.port}`)));
  expect(asked).toEqual(['hooks.example']);

  // What it leads to next is checked anew.
  expect((await refusalOf(http.send(post(`https://hooks.example:${good.port}`)))).message).toBe(
    `resolves to ${byAllow}`,
  );
  expect([asked.length, good.connections(), bad.connections()]).toEqual([2, 1, 0]);
});

test.each<{ why: string; allow: string[]; opens: boolean }>([
  { why: 'a range', allow: ['127.0.0.0/8'], opens: true },
  { why: 'an address', allow: ['10.0.0.0/8', '127.0.0.1'], opens: true },
  { why: 'the name', allow: ['hooks.example'], opens: true },
  { why: 'another range', allow: ['10.0.0.0/8', 'fc00::/7'], opens: false },
  { why: 'a name above it', allow: ['example'], opens: false },
])('allow opens https to a private address: $why, $opens', async ({ allow, opens }) => {
  const door = await startDoor();
  const http = clientOf({ allow }, dns(['127.0.0.1']).lookup);
  const sent = http.send(post(`https://hooks.example:${door.port}`));

  if (opens) await knocks(door, sent);
  else expect((await refusalOf(sent)).message).toBe(`resolves to ${byAllow}`);
  expect(door.connections()).toBe(opens ? 1 : 0);
  // And not plain http.
  await refusalOf(http.send(post(`http://hooks.example:${door.port}`)));
  expect(door.connections()).toBe(opens ? 1 : 0);
});

test('insecure: true is for addresses of this machine: http to a public one is refused', async () => {
  const { lookup, asked } = dns(['93.184.216.34']);

  const { message } = await refusalOf(clientOf({ insecure: true }, lookup).send(post('http://hooks.example')));

  expect(message).toBe('resolves to a public address: use https');
  expect(asked).toEqual(['hooks.example']);
});

test('a client without a guard goes anywhere', async () => {
  const door = await startDoor();
  const http = createHttp({ lookup: dns(['127.0.0.1']).lookup });

  const { body } = await http.send(post(`http://hss.example:${door.port}`));

  expect(await readText(body, 10)).toBe('ok');
});

describe('composed', () => {
  const secure = (config: string) => config.replaceAll('    insecure: true\n', '');

  test('receivers are guarded, by whatever secret they are reached; the endpoints of HSS are not', async () => {
    const world = await startWorld({
      config: (urls) => secure(configOf(urls)).replace(`url: ${urls.hook}/in`, 'url: env://HOOK_URL'),
    });
    onTestFinished(() => world.close());

    const ran = await world.run(['scan'], { env: { HOOK_URL: `${world.hook.url}/in` } });

    const said = ran.stdout + ran.stderr;
    expect(ran.code).toBe(2);
    expect(world.hss.calls.map(({ api, status }) => [api, status])).toContainEqual(['report', 200]);
    expect(said).toContain('deliver to chat: connect: plain http: use https, or say insecure: true');
    expect(said).toContain('deliver to soc: connect: plain http: use https, or say insecure: true');
    expect([world.slack.received, world.hook.received]).toEqual([[], []]);
  });

  test('a private address that stands in the config is refused before anything is done', async () => {
    const world = await startWorld({
      config: (urls) => secure(configOf(urls)).replace(`${urls.hook}/in`, 'https://10.0.0.5/in'),
    });
    onTestFinished(() => world.close());

    const ran = await world.run(['scan']);

    expect([ran.code, ran.stderr]).toEqual([3, expect.stringContaining(`receiver soc: url: is ${byAllow}`)]);
    expect(world.hss.calls).toEqual([]);
  });

  test('to one Slack webhook messages go a second apart, those of two receivers too; others do not wait', async () => {
    const team = '  - {name: team, slack: { webhook: env://SLACK_URL }, insecure: true}\n';
    const world = await startWorld({
      config: (urls) =>
        configOf(urls).replace('receivers:\n', `receivers:\n${team}`).replace('[soc, chat]', '[soc, chat, team]'),
    });
    onTestFinished(() => world.close());
    const clock = fakeClock();
    const env = {
      SLACK_URL: world.slack.url + path,
      HOOK_SECRET: `whsec_${Buffer.from('a signing secret of 32 bytes....').toString('base64')}`,
    };
    const app = await compose(await loadConfig(world.configFile), { env, clock, log: () => {} });
    onTestFinished(() => app.close());
    const deliver = async (name: string) => (await app.notifiers()).get(name)?.deliver(changes, 0);

    for (const name of ['soc', 'soc', 'chat']) await deliver(name);
    expect(clock.slept).toEqual([]);
    await deliver('chat');
    expect(clock.slept).toEqual([1_000]);
    await deliver('team');
    expect(clock.slept).toEqual([1_000, 1_000]);

    expect([world.slack.received.length, world.hook.received.length]).toEqual([3, 2]);
  });
});
