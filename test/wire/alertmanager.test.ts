import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Clock } from '../../lib/app/ports.ts';
import type { Notice } from '../../lib/core/notice.ts';
import type { PostableAlert } from '../../lib/core/render/alertmanager.ts';
import { createHttp } from '../../lib/http/request.ts';
import { createWebhookNotifier } from '../../lib/notifiers/webhook.ts';
import { hostileAlerts, hostileDigest } from '../fixtures/render/hostile.ts';
import { alerts, blind, dayMs, digest, judgedAgain, news } from '../fixtures/render/news-samples.ts';
import { vulnerability } from '../fixtures/render/samples.ts';

/** A real Prometheus Alertmanager, as Debian packages it or as it is downloaded. */
const binary = ['prometheus-alertmanager', 'alertmanager'].find(
  (name) => spawnSync(name, ['--version'], { encoding: 'utf8' }).status === 0,
);

if (binary === undefined) {
  console.warn('no Alertmanager is installed: its tests are skipped (apt-get install prometheus-alertmanager)');
}

interface Server {
  readonly origin: string;
  stop(): Promise<void>;
}

/** On loopback, alone, with nothing kept. */
async function startAlertmanager(command: string): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-alertmanager-'));
  const config = join(folder, 'config.yml');
  writeFileSync(config, 'route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n');
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(command, [
    `--config.file=${config}`,
    `--storage.path=${join(folder, 'data')}`,
    `--web.listen-address=${address}`,
    '--cluster.listen-address=',
  ]);
  let said = '';
  child.stderr.on('data', (piece) => {
    said += piece;
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  const origin = `http://${address}`;
  for (let tries = 0; tries < 200; tries++) {
    if (hasEnded(child)) break;
    const ready = await fetch(`${origin}/-/ready`).catch(() => undefined);
    await ready?.body?.cancel();
    if (ready?.ok) return { origin, stop };
    await pause(50);
  }
  await stop();
  throw new Error(`the Alertmanager did not get ready:\n${said}`);
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

describe.skipIf(binary === undefined)('a real Alertmanager', () => {
  const http = createHttp();
  const clock: Clock = { nowMs: Date.now, sleep: () => Promise.reject(new Error('nothing is tried twice here')) };
  const nowMs = Date.now();
  let server: Server;

  beforeAll(async () => {
    server = await startAlertmanager(binary as string);
  });
  afterAll(async () => {
    await server?.stop();
    await http.close();
  });

  /** Fails unless the Alertmanager took all of it. */
  async function post(told: Notice, validForMs = dayMs): Promise<void> {
    const url = new URL('/api/v2/alerts', server.origin);
    const edges = { http, clock, random: () => 1 };
    const notifier = createWebhookNotifier({ receiver: 'am', url, format: 'alertmanager', validForMs, ...edges });
    await notifier.deliver(told, nowMs);
  }

  type Firing = PostableAlert & { readonly status: { readonly state: string } };

  /** What it shows as firing. */
  async function firing(name: string): Promise<readonly Firing[]> {
    const query = new URLSearchParams({ filter: `source="${name}"` });
    const response = await fetch(`${server.origin}/api/v2/alerts?${query}`);
    expect(response.status).toBe(200);
    return (await response.json()) as Firing[];
  }

  const sinceMs = nowMs - 3 * dayMs;
  const group = { image: 'registry/shop/checkout', image_version: '1.40.0' };
  const budget = news({ rule: 'image-budget', group, max: 50, count: 61, sinceMs });
  const highs = news({ rule: 'no-highs', severity: 'critical', findings: [vulnerability(1)], omitted: 2, sinceMs });

  function about(name: string, told: Partial<Notice>): Notice {
    return { ...alerts({}), ...told, source: name, atMs: nowMs } as Notice;
  }

  test('shows alerts firing with all there is to know, then without the one that was resolved', async () => {
    await post(about('one', { news: [highs, budget] }));

    const both = await firing('one');
    expect(both.map(({ labels }) => labels.rule).sort()).toEqual(['image-budget', 'no-highs']);
    expect(both.find(({ labels }) => labels.rule === 'image-budget')?.labels).toMatchObject({
      alertname: 'PortcullisViolation',
      cluster: 'prod-us',
      severity: 'high',
      group_image: 'registry/shop/checkout',
      group_image_version: '1.40.0',
      fingerprint: budget.fingerprint,
    });
    const worst = both.find(({ labels }) => labels.rule === 'no-highs');
    expect(worst?.annotations).toMatchObject({
      count: '3',
      max: '0',
      description: expect.stringMatching(/CVE-2026-1001.*\nand 2 more$/s),
    });
    expect(Date.parse(worst?.startsAt ?? '')).toBe(sinceMs);
    expect(Date.parse(worst?.endsAt ?? '')).toBe(nowMs + dayMs);
    expect(worst?.generatorURL).toBe(`urn:portcullis:alert:${highs.fingerprint}`);

    const gone = { ...budget, cause: 'resolved' as const, overMs: nowMs - 1 };
    await post(about('one', { news: [gone] }));

    expect((await firing('one')).map(({ labels }) => labels.rule)).toEqual(['no-highs']);
  });

  test('a worse alert is the same alert, not a second one', async () => {
    await post(about('two', { news: [highs] }));
    await post(about('two', { news: [{ ...highs, cause: 'worse', count: 9, before: 3, omitted: 8 }] }));

    const told = await firing('two');
    expect(told.map(({ annotations }) => annotations.count)).toEqual(['9']);
  });

  test('of another severity, it fires under that one only', async () => {
    await post(about('severity', { news: [highs] }));
    await post(about('severity', { news: [{ ...highs, severity: 'low', severitiesBefore: ['critical'] }] }));
    expect((await firing('severity')).map(({ labels }) => labels.severity)).toEqual(['low']);

    const over = { cause: 'resolved', severity: 'low', severitiesBefore: ['high'], overMs: nowMs - 1 } as const;
    await post(about('severity', { news: [{ ...highs, severity: 'high' }] }));
    await post(about('severity', { news: [{ ...highs, ...over }] }));
    expect(await firing('severity')).toEqual([]);
  });

  test('a cluster that cannot be judged fires until it can be', async () => {
    await post(about('three', { news: blind.news.map((item) => ({ ...item, sinceMs })) }));
    expect((await firing('three')).map(({ labels }) => labels.alertname)).toEqual(['PortcullisUndetermined']);

    await post(about('three', { news: judgedAgain.news.map((item) => ({ ...item, sinceMs, overMs: nowMs - 1 })) }));
    expect(await firing('three')).toEqual([]);
  });

  test('what is not told again for long is no longer shown', async () => {
    await post({ ...about('four', { news: [highs] }), atMs: nowMs }, 60_000);
    await post(about('five', { news: [highs] }), -60_000);

    expect(await firing('four')).toHaveLength(1);
    expect(await firing('five')).toEqual([]);
  });

  test('takes digests', async () => {
    const standing = digest('first', [{ ...alerts({ news: [highs, budget] }) }]);
    await post({ ...standing, source: 'six', atMs: nowMs });

    expect(await firing('six')).toHaveLength(2);
  });

  test('takes whatever a report may say, and shows as many alerts as fire', async () => {
    let n = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(hostileAlerts, hostileDigest), async (told) => {
        const name = `hostile-${n++}`;
        await post({ ...told, source: name, atMs: nowMs });

        if (told.about !== 'alerts') return;
        const fires = told.news.filter(
          ({ cause }) => !['resolved', 'waived', 'regrouped', 'policy-changed'].includes(cause),
        );
        const shown = await firing(name);
        expect(shown.map(({ labels }) => labels.fingerprint).sort()).toEqual(
          fires.map(({ fingerprint }) => fingerprint).sort(),
        );
      }),
      { numRuns: 40, endOnFailure: true },
    );
  });
});
