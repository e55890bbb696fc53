import { execFile, execFileSync } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { worldClusters, worldNowMs } from '../../lib/simulator/clusters.ts';
import { type Hss, startHss } from '../../lib/simulator/hss-server.ts';
import { streamReport } from '../../lib/simulator/reports.ts';
import manifest from '../../package.json' with { type: 'json' };
import { command, type Ran } from '../support/command.ts';
import { root } from '../support/lambda-package.ts';
import { configOf, worldPolicy } from '../support/world.ts';

const run = promisify(execFile);
const keys = { ak: 'AKINSTALLED000000001', sk: 'installed/secret/canary' };

let folder: string;
let hss: Hss;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portcullis-command-'));
  hss = await startHss({
    clusters: worldClusters(),
    credentials: keys,
    projectId: '0605768a2d80d5d52f91c00b7a6c1234',
    nowMs: Date.now,
  });
  const packed = await run('npm', ['pack', '--json', '--offline', '--pack-destination', folder], { cwd: root });
  // What the scripts print comes before it.
  const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n')));
  // As npm installs it, without what it depends on: nothing of that is needed.
  await mkdir(join(folder, 'node_modules', '.bin'), { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '-C', folder]);
  await rename(join(folder, 'package'), join(folder, 'node_modules', 'portcullis'));
  await symlink(join('..', 'portcullis', manifest.bin.portcullis), join(folder, 'node_modules', '.bin', 'portcullis'));
  await writeFile(join(folder, 'portcullis.yaml'), configOf({ hss: hss.url, hook: 'http://127.0.0.1:9' }));
  await writeFile(join(folder, 'production.yaml'), worldPolicy);
});

afterAll(async () => {
  await hss?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Node 20 or 22, if this machine has one besides the one of the project. */
function olderNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map((path) => join(path, 'node'))
    .find((node) => {
      try {
        return /^v2[02]\./.test(execFileSync(node, ['--version'], { encoding: 'utf8', stdio: 'pipe' }));
      } catch {
        return false;
      }
    });
}

describe.each([
  { which: 'this Node.js', node: process.execPath },
  { which: 'an older Node.js', node: olderNode() ?? '' },
])('the installed command, by $which', ({ node }) => {
  async function portcullis(...args: readonly string[]): Promise<Ran> {
    const bin = join(folder, 'node_modules', '.bin', 'portcullis');
    const env = { HSS_AK: keys.ak, HSS_SK: keys.sk };
    try {
      return { code: 0, ...(await run(node, [bin, ...args], { cwd: folder, env })) };
    } catch (error) {
      return error as Ran;
    }
  }

  test.skipIf(node === '')('tells its version', async () => {
    expect(await portcullis('--version')).toMatchObject({ code: 0, stdout: `${manifest.version}\n` });
  });

  test.skipIf(node === '')('judges a report at hand, and a live one, as from the sources', async () => {
    const example = join(root, 'test/fixtures/published-example.json');
    const policy = join(folder, 'node_modules/portcullis/policies/production.yaml');
    const now = ['--format', 'json', '--now', new Date(worldNowMs).toISOString()];
    const atHand = ['gate', '--report', example, '--policy', policy, ...now];
    const live = ['gate', '--cluster', 'prod-us', '--config', join(folder, 'portcullis.yaml'), ...now];

    expect(await portcullis(...atHand)).toMatchObject(await command(atHand));
    const judged = await portcullis(...live);
    expect(judged).toMatchObject({ code: 1, stderr: '' });
    expect(JSON.parse(judged.stdout)).toMatchObject({ verdict: 'fail', cluster: { name: 'prod-us' } });
  });

  test.skipIf(node === '')('tells what is wrong with its arguments', async () => {
    expect(await portcullis('gat')).toMatchObject({ code: 3, stderr: expect.stringContaining('did you mean gate?') });
  });
});

test('the command can be run as it is', async () => {
  await expect(
    access(join(folder, 'node_modules/portcullis', manifest.bin.portcullis), constants.X_OK),
  ).resolves.toBeUndefined();
});

describe('the installed command', () => {
  const bin = () => join(folder, 'node_modules', 'portcullis', 'dist', 'cli', 'main.mjs');

  test('reads a large report in memory that does not grow with it', async () => {
    const policy = join(folder, 'production.yaml');
    const peaks: number[] = [];
    for (const megabytes of [20, 200]) {
      const report = join(folder, `${megabytes}.json`);
      const options = {
        clusterId: 'c',
        clusterName: 'big',
        category: 'CCE',
        scannedAtMs: worldNowMs,
        seed: 'memory',
      } as const;
      await writeFile(report, streamReport({ ...options, totalBytes: megabytes * 1e6 }));
      const tell = "data:text/javascript,process.on('exit',()=>console.error(process.resourceUsage().maxRSS))";
      const args = [
        '--import',
        tell,
        bin(),
        'gate',
        '--report',
        report,
        '--policy',
        policy,
        '--now',
        new Date(worldNowMs).toISOString(),
      ];
      const ran = await run(process.execPath, args).catch((error: { code: number; stderr: string }) => error);
      expect(ran).toMatchObject({ code: 1 });
      peaks.push(Number(ran.stderr) / 1024);
      await rm(report);
    }
    const [small = 0, large = 0] = peaks;
    expect(small).toBeGreaterThan(20);
    expect(large).toBeLessThan(128);
    expect(large / small).toBeLessThan(1.2);
  });

  test('keeps its exit code when nobody reads to the end', async () => {
    const report = join(root, 'docs/examples/report.json');
    const policy = join(folder, 'all.yaml');
    const rules = Array.from({ length: 60 }, (_, i) => `  - {id: r${i}, on: vulnerabilities, max: 0}`).join('\n');
    await writeFile(policy, `version: 1\nname: all\nrules:\n${rules}\n`);
    const gate = `"${process.execPath}" "${bin()}" gate --report "${report}" --policy "${policy}" --format json`;
    const { stdout, stderr } = await run('bash', ['-c', `${gate} | head -c 1 > /dev/null; echo "\${PIPESTATUS[0]}"`]);
    expect({ stdout, stderr }).toEqual({ stdout: '1\n', stderr: '' });
  });
});
