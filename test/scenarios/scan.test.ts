import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SimulatedCluster, worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { configOf, startWorld, type World } from '../support/world.ts';

let world: World;
beforeEach(async () => {
  world = await startWorld();
});
afterEach(() => world.close());

const textsTo = (receiver: 'slack' | 'hook') => world[receiver].received.map(({ text }) => text);
const linesOf = (stderr: string) =>
  stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
const inHours = (hours: number) => ['--now', new Date(worldNowMs + hours * 3_600_000).toISOString()];
const later = inHours(1);

/** prod-eu, which was clean, with what prod-us had. */
function worsened() {
  const [eu, us] = worldClusters() as [SimulatedCluster, SimulatedCluster];
  const report = { ...us.reports[0]?.report, cluster_id: eu.id, cluster_name: eu.name, scan_time: worldNowMs };
  return worldClusters().map((cluster) =>
    cluster.name === 'prod-eu' ? { ...eu, reports: [{ id: 'worse', report }] } : cluster,
  );
}

test('tells receivers at the first look what stands, in one message each, and which clusters pass', async () => {
  const ran = await world.run(['scan']);

  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain('5 clusters (0 unchanged): 2 pass, 2 fail, 1 undetermined');
  expect(ran.stdout).toContain('chat: 1 message delivered');
  expect(world.slack.received.map(({ status, problems }) => [status, problems])).toEqual([[200, []]]);
  const [digest] = textsTo('slack');
  for (const name of ['analytics', 'prod-apac', 'prod-us']) expect(digest).toContain(name);
  expect(digest).toContain('Nothing to tell of `prod-eu`, `staging`');
  // To the webhook go the critical rule, and what may hide a violation of it.
  const documents = world.hook.received.map(
    ({ json }) =>
      json as { type: string; clusters: { cluster: { name: string }; alerts: { rule: string | null }[] }[] },
  );
  expect(documents.map(({ type }) => type)).toEqual(['portcullis.digest']);
  expect(
    documents[0]?.clusters.map(({ cluster, alerts }) => [cluster.name, alerts.map(({ rule }) => rule ?? '').sort()]),
  ).toEqual([
    ['analytics', ['', 'no-high']],
    ['prod-apac', ['']],
    ['prod-us', ['no-high']],
    ['prod-eu', []],
    ['staging', []],
  ]);
});

test('tells later only what changed, and costs one list call and the reports that are new', async () => {
  await world.run(['scan']);
  const before = world.hss.calls.length;
  world.hss.clusters = worsened();
  const ran = await world.run(['scan', ...later]);
  expect(ran.stdout).toContain('chat: 1 message delivered');
  expect(textsTo('slack').at(-1)).toContain('prod-eu');
  expect(textsTo('slack').at(-1)).not.toContain('staging');
  expect(world.hss.calls.slice(before).map(({ api }) => api)).toEqual(['list', 'report']);
  expect((await world.run(['scan', ...later])).stdout).toContain('(4 unchanged)');
  expect(world.slack.received).toHaveLength(2);
});

test('signs for the webhook as Standard Webhooks asks', async () => {
  await world.run(['scan']);
  const [first] = world.hook.received;
  const webhook = new Webhook(Buffer.from('a signing secret of 32 bytes....').toString('base64'));
  expect(webhook.verify(first?.text ?? '', first?.headers as Record<string, string>)).toMatchObject({ version: 1 });
});

test('logs one JSON object a line, without a secret, and says nothing twice', async () => {
  const ran = await world.run(['scan']);
  expect(
    linesOf(ran.stderr)
      .map(({ msg, cluster, receiver }) => [msg, cluster ?? receiver])
      .sort(),
  ).toEqual([
    ['cluster judged', 'analytics'],
    ['cluster judged', 'prod-apac'],
    ['cluster judged', 'prod-eu'],
    ['cluster judged', 'prod-us'],
    ['cluster judged', 'staging'],
    ['delivered', 'chat'],
    ['delivered', 'soc'],
  ]);
  expect(ran.stderr + ran.stdout).not.toMatch(/canary|whsec/);
});

test('with --dry-run shows the messages, sends none, and remembers nothing', async () => {
  for (let i = 0; i < 2; i++) {
    const ran = await world.run(['scan', '--dry-run']);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('chat: 1 message would be sent');
    expect(ran.stdout.match(/^--- to (chat|soc), not sent/gm)).toHaveLength(2);
    expect(ran.stdout).toContain('prod-us');
  }
  expect([...world.slack.received, ...world.hook.received]).toEqual([]);
});

test('gives its summary as JSON', async () => {
  const ran = await world.run(['scan', '--format', 'json']);
  expect(JSON.parse(ran.stdout)).toEqual({
    version: 1,
    exit_code: 0,
    sources: 1,
    clusters: 5,
    unchanged: 0,
    verdicts: { pass: 2, fail: 2, undetermined: 1 },
    delivered: { chat: 1, soc: 1 },
    refused: 0,
    failures: [],
    alerts: 6,
    held: 0,
    waived: 0,
    told: { standing: 10 },
    owed: 0,
    oldest_report_seconds: 777_600,
  });
});

describe('whatever fails, all the rest is done:', () => {
  test('a receiver that says that it is gone, of which the other one hears', async () => {
    world.hook.script.push({ status: 410 });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('chat: 2 messages delivered');
    expect(JSON.stringify(world.slack.received[1]?.json)).toContain('receiver soc says that it is gone for good (410)');
    expect((await world.run(['scan', ...later])).stdout).toMatch(/not done: soc: 1 message not taken: .*switched off/);
    expect(world.hook.received).toHaveLength(1);
  });

  test('a channel that was archived, which the other one hears in the words of Slack', async () => {
    world.slack.script.push({ status: 410, body: 'channel_is_archived' });
    expect((await world.run(['scan'])).code).toBe(2);
    const told = JSON.stringify(world.hook.received.at(-1)?.json);
    expect(told).toContain(
      'Slack says channel_is_archived (410): the channel is archived, restore it or make a webhook',
    );
    expect(told).not.toContain('remove it from the config');
  });

  test('a receiver that refuses a message', async () => {
    world.hook.script.push({ status: 404 });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(world.slack.received).toHaveLength(1);
    expect(ran.stdout).toMatch(/not done: soc: 1 message not taken: deliver to soc: .*404/);
    expect(ran.stdout).toContain('chat: 1 message delivered');
    expect((await world.run(['deliveries', 'list'])).stdout).toMatch(/owed {2}soc {2}about prod-us, since .*404/);
    expect((await world.run(['scan', ...later])).code).toBe(0);
    expect(world.hook.received.map(({ headers }) => headers['webhook-id'])[0]).toBe(
      world.hook.received[1]?.headers['webhook-id'],
    );
  });

  test.each([
    { name: 'chat', other: 'hook', variable: 'SLACK_URL', what: 'whose URL is missing' },
    { name: 'soc', other: 'slack', variable: 'HOOK_SECRET', what: 'whose signing secret is missing' },
  ] as const)('a receiver $what, which hears later what it was owed', async ({ name, other, variable }) => {
    const without = { env: { [variable]: undefined } };
    const reason = `its secret cannot be read: env://${variable}: ${variable} is not set in the environment`;
    const receiver = { slack: 'hook', hook: 'slack' }[other] as 'slack' | 'hook';
    const ran = await world.run(['scan'], without);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain('5 clusters (0 unchanged): 2 pass, 2 fail, 1 undetermined');
    expect(ran.stdout).toContain(`not done: receiver ${name}: ${reason}\nnot done: ${name}: 1 message not taken\n`);
    expect(linesOf(ran.stderr).filter(({ msg }) => msg === 'secret not readable')).toMatchObject([
      { level: 'error', of: `receiver ${name}` },
    ]);
    const refused = linesOf(ran.stderr).find(({ msg }) => msg === 'not delivered');
    expect(refused).toMatchObject({ receiver: name, reason: `deliver to ${name}: ${reason}` });
    expect(textsTo(other)).toHaveLength(1);
    expect(textsTo(other)[0]).toContain('prod-us');

    // The others hear of it when it has taken nothing in three runs.
    for (const run of [1, 2]) {
      expect((await world.run(['scan', ...inHours(run)], without)).code).toBe(3);
      expect(textsTo(other)).toHaveLength(run);
    }
    expect(textsTo(other).at(-1)).toContain(`receiver ${name} has taken no message in 3 runs`);
    expect(textsTo(receiver)).toEqual([]);

    const back = await world.run(['scan', ...inHours(3)]);
    expect(back.code).toBe(0);
    expect(linesOf(back.stderr).find((line) => line.msg === 'delivered' && line.receiver === name)?.id).toBe(
      refused.id,
    );
    expect(textsTo(receiver)).toHaveLength(1);
    expect(textsTo(receiver)[0]).toContain('prod-us');
    expect(world.hss.calls.filter(({ api }) => api === 'report')).toHaveLength(4);
    expect((await world.run(['scan', ...inHours(4)])).stdout).not.toContain('delivered');
  });

  test('a receiver whose secret is missing and that is owed nothing', async () => {
    await world.run(['scan']);
    const ran = await world.run(['scan', ...later], { env: { SLACK_URL: undefined } });
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain('not done: receiver chat: its secret cannot be read: env://SLACK_URL');
    expect(ran.stdout).not.toContain('not taken');
  });

  test('a dry run without a secret of a receiver', async () => {
    const ran = await world.run(['scan', '--dry-run'], { env: { SLACK_URL: undefined, HOOK_SECRET: undefined } });
    expect(ran.code).toBe(3);
    expect(ran.stdout.match(/^--- to (chat|soc), not sent/gm)).toHaveLength(2);
    expect(ran.stdout.match(/^not done: receiver (chat|soc): its secret/gm)).toHaveLength(2);
  });

  test('a report that cannot be fetched', async () => {
    world.hss.fail({ kind: 'status', status: 403 }, { api: 'report', clusterId: worldClusters()[1]?.id as string });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('2 pass, 1 fail, 2 undetermined');
    expect(ran.stdout).toContain('not done: cluster prod-us: source prod: report: HSS answered 403');
    expect(textsTo('slack').join()).toContain('prod-us');
  });

  test('a list that cannot be fetched is told to the receivers, and its end too', async () => {
    world.hss.fail({ kind: 'status', status: 403 }, { api: 'list' });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('0 clusters');
    expect(textsTo('slack')[0]).toContain('source prod');
    expect(world.hook.received).toHaveLength(1);
    await world.run(['scan', ...later]);
    expect(textsTo('slack').some((text) => text.includes('source prod') && text.includes('✅'))).toBe(true);
  });
});

describe('the config', () => {
  const worldWith = async (config: (urls: { hss: string; hook: string }) => string) => {
    await world.close();
    world = await startWorld({ config });
  };

  test('can leave clusters out', async () => {
    await worldWith((urls) =>
      configOf(urls).replace(
        'policy: production.yaml',
        'policy: production.yaml\n    clusters: { include: ["prod-*"], exclude: ["*-apac"] }',
      ),
    );
    const ran = await world.run(['scan']);
    expect(ran.stdout).toContain('2 clusters (0 unchanged): 1 pass, 1 fail, 0 undetermined');
    expect((await world.run(['gate', '--cluster', 'staging'])).stdout).toContain('leaves it out');
  });

  test('can expect clusters, and one that is absent is undetermined and told', async () => {
    await worldWith((urls) =>
      configOf(urls).replace('policy: production.yaml', 'policy: production.yaml\n    expect: [prod-eu, prod-mars]'),
    );
    const ran = await world.run(['scan']);
    expect(ran.stdout).toContain('prod: prod-mars | undetermined | cluster prod-mars is expected in source prod');
    expect(textsTo('slack').join()).toContain('prod-mars');
  });

  test('can name a watchdog, and without its secret all receivers are told', async () => {
    await worldWith((urls) => `${configOf(urls)}heartbeat: { url: env://WATCHDOG_URL }\n`);
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toContain('not done: heartbeat: its secret cannot be read: env://WATCHDOG_URL');
    expect([textsTo('slack').length, textsTo('hook').length]).toEqual([1, 1]);
  });

  test('can look the project up in IAM', async () => {
    await worldWith((urls) => configOf(urls).replace('    project_id: 0605768a2d80d5d52f91c00b7a6c1234\n', ''));
    expect((await world.run(['scan'])).code).toBe(0);
    expect(world.hss.calls[0]).toMatchObject({ api: 'projects', query: { name: 'ap-southeast-1' } });
  });

  test('that leads to no project ends with exit code 3 and what was found, and receivers hear of it', async () => {
    await worldWith((urls) =>
      configOf(urls)
        .replace('    project_id: 0605768a2d80d5d52f91c00b7a6c1234\n', '')
        .replace('ap-southeast-1', 'eu-west-101'),
    );
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toMatch(/not done: .*eu-west-101/);
    expect(world.slack.received).toHaveLength(1);
  });

  test('without the keys of a source does nothing, and names all secrets that are missing', async () => {
    const ran = await world.run(['scan'], { env: { HSS_AK: undefined, SLACK_URL: undefined, HOOK_SECRET: '' } });
    expect(ran.code).toBe(3);
    expect(ran.stderr).toBe(
      'portcullis: env://HSS: HSS_AK not set in the environment\n' +
        'env://SLACK_URL: SLACK_URL is not set in the environment\n' +
        'env://HOOK_SECRET: HOOK_SECRET is not set in the environment\n',
    );
    expect(world.hss.calls).toEqual([]);
  });
});
