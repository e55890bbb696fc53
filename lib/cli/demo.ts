import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { InputError } from '../core/errors.ts';
import type { SlackPayload } from '../core/render/slack.ts';
import { type SimulatedCluster, worldClusters } from '../simulator/clusters.ts';
import { startHss } from '../simulator/hss-server.ts';
import { startReceiver } from '../simulator/receivers.ts';
import type { WireReport } from '../simulator/wire.ts';
import { gateCommand } from './gate.ts';
import { scanCommand } from './scan.ts';
import { slackPreview } from './slack-preview.ts';
import { type Terminal, wantsColour } from './terminal.ts';

export const demoHelp = `portcullis demo   all of it on this machine: a simulated HSS, three scans, their messages, two deploy gates

Needs no account, no key and no setting, talks to 127.0.0.1 only, writes to a temporary folder and removes it.
`;

const policy = `version: 1
name: production
max_report_age: 26h
rules:
  - id: no-high-vulnerabilities
    on: vulnerabilities
    min_severity: High
    max: 0
    severity: critical
  - id: no-privileged-containers
    on: privileged_containers
    where: status == "running"
    max: 0
  - id: medium-budget
    on: vulnerabilities
    where: severity == "Medium" && solution != ""
    max: 12
    per: [image, image_version]
    enforce: warn
waivers:
  - id: W-12
    rule: no-privileged-containers
    where: container == "kube-proxy"
    reason: sets the node's network rules, which needs the privilege
    owner: team-platform
    expires: 2099-12-31
`;

const config = (hss: string) => `version: 1
sources:
  - name: prod
    region: ap-southeast-1
    credentials: env://HUAWEICLOUD_SDK
    endpoint: ${hss}
    iam_endpoint: ${hss}
    policy: production.yaml
receivers:
  - name: security-chat
    slack: { webhook: env://SLACK_WEBHOOK_URL }
    insecure: true
routes:
  - receivers: [security-chat]
state: sqlite:state.db
limits: { calls_per_minute: 1000 }
`;

/** @returns 0 when everything went as the demo says */
export async function demoCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  if (args.length > 0) throw new InputError(`demo: unexpected argument ${args[0]}`);
  const { stdout, env } = terminal;
  const colour = wantsColour(stdout, env);
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    colour ? styleText(style, text, { validateStream: false }) : text;
  const say = (text = '') => stdout.write(`${text}\n`);
  const step = (text: string) => say(`\n${paint(['bold', 'blue'], `## ${text}`)}\n`);

  const nowMs = terminal.nowMs();
  const keys = { ak: 'AKDEMO0000000000DEMO', sk: 'demo/only/never/a/real/key' };
  const clusters = worldClusters(nowMs);
  await using hss = await startHss({
    clusters,
    credentials: keys,
    projectId: '0605768a2d80d5d52f91c00b7a6c1234',
    nowMs: terminal.nowMs,
  });
  await using slack = await startReceiver({ kind: 'slack' });
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-demo-'));
  try {
    const configFile = join(folder, 'portcullis.yaml');
    await writeFile(configFile, config(hss.url));
    await writeFile(join(folder, 'production.yaml'), policy);
    const inside: Terminal = {
      ...terminal,
      env: {
        ...env,
        HUAWEICLOUD_SDK_AK: keys.ak,
        HUAWEICLOUD_SDK_SK: keys.sk,
        HUAWEICLOUD_SDK_SECURITY_TOKEN: undefined,
        SLACK_WEBHOOK_URL: `${slack.url}/services/T000/B000/demo`,
      },
      // The log of a scan is for machines; here people watch.
      stderr: { write: () => true },
    };

    step('A policy: production.yaml');
    say(policy.trimEnd());

    const { received } = slack;
    const show = (from: number) => {
      for (const message of received.slice(from)) say(slackPreview(message.json as SlackPayload, colour));
    };
    step(`The first scan: portcullis scan, over ${clusters.length} clusters of a simulated HSS at ${hss.url}`);
    const first = await scanCommand(['--config', configFile], inside);
    say('\nIn chat, one message with what stands already:\n');
    show(0);
    const firstCount = received.length;

    step('An hour later, with new reports of two clusters: portcullis scan');
    const laterMs = nowMs + 3_600_000;
    hss.clusters = anHourLater(clusters, nowMs);
    const second = await scanCommand(['--config', configFile, '--now', new Date(laterMs).toISOString()], inside);
    say('\nIn chat, only what changed:\n');
    show(firstCount);
    const secondCount = received.length;

    step('And once more, with nothing new');
    const third = await scanCommand(
      ['--config', configFile, '--now', new Date(laterMs + 60_000).toISOString()],
      inside,
    );
    say(
      `\nsecurity-chat got ${firstCount} message, then ${secondCount - firstCount}, then ${received.length - secondCount}.`,
    );

    step('A deploy gate that fails: portcullis gate --cluster prod-us');
    const failed = await gateCommand(['--config', configFile, '--cluster', 'prod-us'], inside);
    say(`exit code ${failed}`);

    step('A deploy gate that passes: portcullis gate --cluster prod-eu');
    const passed = await gateCommand(['--config', configFile, '--cluster', 'prod-eu'], inside);
    say(`exit code ${passed}`);

    step('With your own account');
    say(nextSteps.trimEnd());
    const wentWell =
      [first, second, third, passed].every((code) => code === 0) &&
      failed === 1 &&
      received.length > firstCount &&
      received.length === secondCount &&
      received.every((message) => message.status === 200);
    if (!wentWell) terminal.stderr.write('portcullis demo: did not go as it should\n');
    return wentWell ? 0 : 4;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** prod-us lost its privileged containers but for one, and has more vulnerabilities; staging has its first High one. */
function anHourLater(clusters: readonly SimulatedCluster[], nowMs: number): SimulatedCluster[] {
  return clusters.map((cluster) => {
    const newest = cluster.reports.at(-1);
    if (newest === undefined || !['prod-us', 'staging'].includes(cluster.name)) return cluster;
    const report = newest.report as WireReport;
    const [row] = report.local_image_vul_list;
    if (row === undefined) return cluster;
    const added = ['CVE-2024-3094', 'CVE-2024-6387'].map((vul_name, i) => ({
      ...row,
      vul_name,
      severity_level: 'High' as const,
      app_name: ['xz-utils', 'openssh'][i] ?? '',
      app_version: ['5.6.1', '9.2p1'][i] ?? '',
      solution: 'Upgrade and rebuild the image.',
    }));
    const privileged = report.privileged_container_list.filter(({ container_name }) => container_name === 'kube-proxy');
    const vulnerabilities = [...report.local_image_vul_list, ...added];
    const later: WireReport = {
      ...report,
      scan_time: nowMs,
      local_image_vul_list: vulnerabilities,
      local_image_vul_num: vulnerabilities.length,
      privileged_container_list: privileged,
      privileged_container_num: privileged.length,
    };
    return { ...cluster, reports: [...cluster.reports, { id: `${newest.id.slice(0, -4)}beef`, report: later }] };
  });
}

const nextSteps = `1. A report at hand needs no account:
     npm run -s portcullis -- gate --report report.json --policy policies/production.yaml
2. For live reports edit portcullis.yaml: the region, credentials: env://HUAWEICLOUD_SDK, the receivers. Give the keys of
   an IAM user that may read HSS, and look at what would be sent before anything is:
     export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=...
     npm run -s portcullis -- scan --dry-run
3. Run scan on a schedule, and gate --cluster NAME in the pipeline. README.md goes on from here.
`;
