import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
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

test('tells receivers what is broken, each what is routed to it, and nobody of a pass', async () => {
  const ran = await world.run(['scan']);

  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain('5 clusters: 2 pass, 2 fail, 1 undetermined; 6 messages delivered');
  expect(world.slack.received.map(({ status, problems }) => [status, problems])).toEqual(Array(3).fill([200, []]));
  const headers = world.slack.received.map(({ json }) => (json as { text: string }).text.split('\n')[0]);
  expect(headers).toEqual([
    expect.stringContaining('analytics'),
    expect.stringContaining('prod-apac'),
    expect.stringContaining('prod-us'),
  ]);
  // To the webhook go the critical rule, and what may hide a violation of it.
  const documents = world.hook.received.map(
    ({ json }) => json as { result: { cluster: { name: string }; rules: { id: string; status: string }[] } },
  );
  expect(
    documents.map(({ result }) => [result.cluster.name, result.rules.map(({ id, status }) => `${id} ${status}`)]),
  ).toEqual([
    ['analytics', ['no-high fail']],
    ['prod-apac', ['no-high undetermined', 'no-privileged undetermined']],
    ['prod-us', ['no-high fail']],
  ]);
  expect(textsTo('slack').join()).not.toContain('prod-eu passes');
});

test('signs for the webhook as Standard Webhooks asks', async () => {
  await world.run(['scan']);
  const [first] = world.hook.received;
  const webhook = new Webhook(Buffer.from('a signing secret of 32 bytes....').toString('base64'));
  expect(webhook.verify(first?.text ?? '', first?.headers as Record<string, string>)).toMatchObject({ version: 1 });
});

test('costs one list call, and one report call for each cluster that has one', async () => {
  await world.run(['scan']);
  expect(world.hss.calls.map(({ api }) => api)).toEqual(['list', 'report', 'report', 'report', 'report']);
});

test('logs one JSON object a line, without a secret, and says nothing twice', async () => {
  const ran = await world.run(['scan']);
  const lines = linesOf(ran.stderr);
  expect(lines.map(({ msg, cluster, receiver }) => [msg, cluster ?? receiver]).sort()).toEqual([
    ['cluster judged', 'analytics'],
    ['cluster judged', 'prod-apac'],
    ['cluster judged', 'prod-eu'],
    ['cluster judged', 'prod-us'],
    ['cluster judged', 'staging'],
    ['delivered', 'chat'],
    ['delivered', 'chat'],
    ['delivered', 'chat'],
    ['delivered', 'soc'],
    ['delivered', 'soc'],
    ['delivered', 'soc'],
  ]);
  expect(ran.stderr + ran.stdout).not.toMatch(/canary|whsec/);
});

test('with --dry-run shows the messages and sends none', async () => {
  const ran = await world.run(['scan', '--dry-run']);
  expect(ran.code).toBe(0);
  expect(ran.stdout).toContain('6 messages would be delivered');
  expect(ran.stdout.match(/^--- to (chat|soc), not sent/gm)).toHaveLength(6);
  expect(ran.stdout).toContain('prod-us fails production');
  expect([...world.slack.received, ...world.hook.received]).toEqual([]);
});

test('gives its summary as JSON', async () => {
  const ran = await world.run(['scan', '--format', 'json']);
  expect(JSON.parse(ran.stdout)).toEqual({
    version: 1,
    exit_code: 0,
    sources: 1,
    clusters: 5,
    verdicts: { pass: 2, fail: 2, undetermined: 1 },
    delivered: 6,
    failures: [],
  });
});

describe('whatever fails, all the rest is done:', () => {
  test('a receiver that is gone', async () => {
    world.hook.script.push({ status: 410 }, { status: 410 }, { status: 410 });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(world.slack.received).toHaveLength(3);
    expect(ran.stdout).toMatch(/not done: deliver to soc: .*410/);
    expect(ran.stdout).toContain('3 messages delivered');
  });

  test('a report that cannot be fetched', async () => {
    world.hss.fail({ kind: 'status', status: 403 }, { api: 'report', clusterId: worldClusters()[1]?.id as string });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('5 clusters: 2 pass, 1 fail, 2 undetermined');
    expect(ran.stdout).toContain('not done: cluster prod-us: source prod: report: HSS answered 403');
    expect(textsTo('slack').join()).toContain('prod-us cannot be judged');
  });

  test('a list that cannot be fetched is told to the receivers', async () => {
    world.hss.fail({ kind: 'status', status: 403 }, { api: 'list' });
    const ran = await world.run(['scan']);
    expect(ran.code).toBe(2);
    expect(ran.stdout).toContain('0 clusters');
    expect(world.slack.received).toHaveLength(1);
    expect(textsTo('slack')[0]).toContain('could not be looked at');
    expect(world.hook.received).toHaveLength(1);
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
    expect(ran.stdout).toContain('2 clusters: 1 pass, 1 fail, 0 undetermined');
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

  test('with a missing secret does nothing, and names all that are missing', async () => {
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

test('the same run has the same ids, so that a receiver can tell a repeated message', async () => {
  const now = ['--now', new Date(worldNowMs).toISOString()];
  await world.run(['scan', ...now]);
  await world.run(['scan', ...now]);
  const ids = world.hook.received.map(({ headers }) => headers['webhook-id']);
  expect(ids.slice(0, 3)).toEqual(ids.slice(3));
  expect(new Set(ids).size).toBe(3);
});
