import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type App, compose, loadConfig } from '../../lib/compose.ts';
import { openPages } from '../../lib/pages/open.ts';
import { worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { type S3, s3Canary, startS3 } from '../support/s3.ts';
import { configOf, startWorld, type World } from '../support/world.ts';

const bucket = 'acme-pages';
const hourMs = 3_600_000;
/** As it stands in keys of pages. */
const keyText = /prod\/[\w-]+-[0-9a-f]{16}\/\d{8}T\d{6}Z-[0-9a-f]{16}\.html/;

let s3: S3;
let world: World;
const lines: string[] = [];
const apps: App[] = [];
/** Nobody waits. */
const clock = { nowMs: Date.now, async sleep() {} };

beforeEach(async () => {
  lines.length = 0;
  s3 = await startS3(bucket);
  for (const [name, value] of Object.entries(s3.env)) vi.stubEnv(name, value);
});
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  await Promise.all([s3.close(), world.close()]);
  vi.unstubAllEnvs();
});

async function start(pages: string, clusters = worldClusters()): Promise<void> {
  world = await startWorld({ clusters, config: (urls) => configOf(urls) + pages });
}

async function open(env: Readonly<Record<string, string>> = {}, writes = true): Promise<App> {
  const app = await compose(await loadConfig(world.configFile), {
    env: { ...world.env, ...s3.env, ...env },
    log: (level, msg, fields) => lines.push(JSON.stringify({ level, msg, ...fields })),
    clock,
    ...(writes && { openPages }),
  });
  apps.push(app);
  return app;
}

interface Told {
  readonly id: string;
  readonly clusters?: readonly { readonly cluster: { readonly name: string }; readonly page?: string }[];
}

const documents = () => world.hook.received.map(({ text }) => JSON.parse(text) as Told);
const puts = () => s3.calls.filter(({ method }) => method === 'PUT');
const pagesTold = () =>
  documents().flatMap(({ clusters = [] }) =>
    clusters.flatMap(({ cluster, page }) => (page ? [[cluster.name, page]] : [])),
  );

describe('pages in a bucket', () => {
  const config = `pages: { to: 's3://${bucket}/hss', link: 'https://reports.example/hss' }\n`;

  test('are written before they are told of, one for each cluster with news, and each message links to its own', async () => {
    await start(config);
    expect(await (await open()).scan(worldNowMs)).toMatchObject({ exitCode: 0 });
    const told = pagesTold();
    expect(told.length).toBeGreaterThan(1);
    for (const [name = '', link = ''] of told) {
      const key = link.replace('https://reports.example/hss/', '');
      expect(key).toMatch(new RegExp(`^${keyText.source}$`));
      const page = await s3.get(`${bucket}/hss/${key}`);
      expect(page?.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(page?.body).toMatch(/^<!DOCTYPE html>/);
      expect(page?.body).toContain(name);
    }
    // Two receivers, one page.
    const all = new Set([...told.map(([, link]) => link), ...slackLinks()]);
    expect(puts()).toHaveLength(all.size);
    expect(slackLinks().length).toBeGreaterThan(1);
    expect(lines.join()).not.toContain(s3Canary);
  });

  test('stay as they are while nothing is new', async () => {
    await start(config);
    await (await open()).scan(worldNowMs);
    const before = puts().length;
    await (await open()).scan(worldNowMs + hourMs);
    expect(puts()).toHaveLength(before);
  });

  test('are linked to by a message that is sent again, by another process, as before', async () => {
    await start(config);
    world.hook.script.push(...Array.from({ length: 50 }, () => ({ status: 503 })));
    const first = await (await open()).scan(worldNowMs);
    expect(first.owed.length).toBeGreaterThan(0);
    const [refused] = documents();
    world.hook.script.length = 0;
    const written = puts().length;
    const before = world.hook.received.length;
    // It may not write, as the function that delivers.
    await (await open({}, false)).deliverOwed(first.owed, worldNowMs + hourMs);
    const [again] = documents().slice(before);
    expect(again?.id).toBe(refused?.id);
    const linksOf = (told: Told | undefined) => told?.clusters?.map(({ cluster, page }) => [cluster.name, page]);
    expect(linksOf(again)).toEqual(linksOf(refused));
    expect(linksOf(again)?.some(([, page]) => page?.startsWith('https://reports.example/hss/prod/'))).toBe(true);
    expect(puts()).toHaveLength(written);
  });

  test.each<{ why: string; fault: S3['fault']; tries: number; says: string }>([
    { why: 'is not there', fault: { status: 404, code: 'NoSuchBucket' }, tries: 1, says: 'missing: NoSuchBucket' },
    {
      why: 'may not be written',
      fault: { status: 403, code: 'AccessDenied' },
      tries: 1,
      says: 'refused: AccessDenied',
    },
    { why: 'is throttled', fault: { status: 503, code: 'SlowDown' }, tries: 2, says: 'unreachable: SlowDown' },
    { why: 'cannot be reached', fault: 'hang up', tries: 2, says: 'unreachable: ECONNRESET' },
  ])('go missing where the bucket $why: the messages come all the same, and the log says why once', async (given) => {
    await start(config);
    s3.fault = given.fault;
    expect(await (await open()).scan(worldNowMs)).toMatchObject({ exitCode: 0 });
    expect(documents().length).toBeGreaterThan(0);
    expect([pagesTold(), slackLinks()]).toEqual([[], []]);
    expect(puts()).toHaveLength(given.tries);
    const said = lines.filter((line) => line.includes('page not written'));
    expect(said).toEqual([expect.stringMatching(`^\\{"level":"warn".*"reason":"${given.says}"`)]);
    expect(lines.join()).not.toContain(s3Canary);
  });

  test('that were not written are not linked to later, either', async () => {
    await start(config);
    s3.fault = { status: 503, code: 'SlowDown' };
    world.hook.script.push(...Array.from({ length: 50 }, () => ({ status: 503 })));
    const { owed } = await (await open()).scan(worldNowMs);
    s3.fault = undefined;
    world.hook.script.length = 0;
    await (await open({}, false)).deliverOwed(owed, worldNowMs + hourMs);
    expect(documents().length).toBeGreaterThan(0);
    expect(pagesTold()).toEqual([]);
  });

  test('are where PORTCULLIS_PAGES says, and without a link people are led to the console of AWS', async () => {
    await start('pages: { to: elsewhere }\n');
    await (await open({ PORTCULLIS_PAGES: `s3://${bucket}/` })).scan(worldNowMs);
    const [[, link = ''] = []] = pagesTold();
    const { origin, pathname, searchParams } = new URL(link);
    expect(`${origin}${pathname}`).toBe(`https://eu-west-1.console.aws.amazon.com/s3/object/${bucket}`);
    const key = searchParams.get('prefix') ?? '';
    expect(key).toMatch(new RegExp(`^${keyText.source}$`));
    expect((await s3.get(`${bucket}/${key}`))?.body).toMatch(/^<!DOCTYPE html>/);
    expect(slackLinks()).toContain(link);
  });

  test('are not written by a dry run', async () => {
    await start(config);
    expect((await world.run(['scan', '--dry-run'], { env: s3.env })).code).toBe(0);
    expect(s3.calls).toEqual([]);
  });
});

test('a place that is none is told before anything is done', async () => {
  await start('');
  await expect(open({ PORTCULLIS_PAGES: 's3://NO/../x' })).rejects.toThrow('PORTCULLIS_PAGES: has to be s3://');
});

describe('pages in a folder', () => {
  test('are written by the command, below the config, and named so that no cluster can leave the folder', async () => {
    const evil = '../../../evil/<!channel>';
    const hostile = worldClusters().map((one) => (one.name === 'prod-us' ? { ...one, name: evil } : one));
    await start('pages: { to: out/pages, link: https://ci.example/pages/ }\n', hostile);
    expect((await world.run(['scan'])).code).toBeLessThan(3);
    const files = (await readdir(join(world.folder, 'out/pages'), { recursive: true })).filter((file) =>
      /\./.test(file),
    );
    expect(files.length).toBeGreaterThan(1);
    for (const file of files) expect(file).toMatch(new RegExp(`^${keyText.source}$`));
    expect(files.some((file) => file.startsWith('prod/evil-channel-'))).toBe(true);
    const links = pagesTold().map(([, link]) => link);
    for (const link of [...links, ...slackLinks()])
      expect(files).toContain(link?.replace('https://ci.example/pages/', ''));
    const page = await readFile(join(world.folder, 'out/pages', files[0] ?? ''), 'utf8');
    expect(page).not.toContain('<!channel>');
    expect((await readdir(world.folder)).sort()).toEqual(
      expect.arrayContaining(['out', 'portcullis.yaml', 'production.yaml']),
    );
  });

  test('without a link are there, and messages have none', async () => {
    await start('pages: { to: out }\n');
    await world.run(['scan']);
    expect(await readdir(join(world.folder, 'out/prod'))).not.toEqual([]);
    expect([pagesTold(), slackLinks()]).toEqual([[], []]);
  });

  test('that cannot be written to lose no message', async () => {
    await start('pages: { to: out, link: https://ci.example/pages }\n');
    await writeFile(join(world.folder, 'out'), 'a file');
    const { code, stderr } = await world.run(['scan']);
    expect(code).toBe(0);
    expect(documents().length).toBeGreaterThan(0);
    expect(pagesTold()).toEqual([]);
    expect(stderr.match(/page not written/g)).toHaveLength(1);
    expect(stderr).toContain('refused: ENOTDIR');
  });

  test('of the same report are written over whole, and others beside them stay', async () => {
    await start('pages: { to: out, link: https://ci.example/pages }\n');
    await mkdir(join(world.folder, 'out'));
    await writeFile(join(world.folder, 'out', 'mine.html'), 'mine');
    await world.run(['scan']);
    const before = (await readdir(join(world.folder, 'out'), { recursive: true })).sort();
    await world.forget();
    await world.run(['scan']);
    expect((await readdir(join(world.folder, 'out'), { recursive: true })).sort()).toEqual(before);
    expect(await readFile(join(world.folder, 'out', 'mine.html'), 'utf8')).toBe('mine');
  });
});

/** The URLs behind the links of the messages to Slack. */
function slackLinks(): string[] {
  return world.slack.received.flatMap(({ text }) => {
    const { blocks = [] } = JSON.parse(text) as { blocks?: { text?: { text: string } }[] };
    const said = blocks.map((block) => block.text?.text ?? '').join('\n');
    return [...said.matchAll(/^<(https:[^|>]+)\|The whole result as a page>$/gm)].map(([, url = '']) =>
      url.replaceAll('&amp;', '&'),
    );
  });
}
