import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { InputError } from '../core/errors.ts';
import type { SlackPayload } from '../core/render/slack.ts';
import { worldClusters } from '../simulator/clusters.ts';
import { startHss } from '../simulator/hss-server.ts';
import { startReceiver } from '../simulator/receivers.ts';
import { gateCommand } from './gate.ts';
import { scanCommand } from './scan.ts';
import { slackPreview } from './slack-preview.ts';
import { type Terminal, wantsColour } from './terminal.ts';

export const demoHelp = `portcullis demo   all of it on this machine: a simulated HSS, a scan, its messages, two deploy gates

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

    step(`A scan: portcullis scan, over ${clusters.length} clusters of a simulated HSS at ${hss.url}`);
    const scanned = await scanCommand(['--config', configFile], inside);

    const { received } = slack;
    step(`In chat: ${received.length} messages, as Slack took them`);
    const longest = Math.max(...received.map((message) => message.text.length));
    for (const message of received) {
      const preview = slackPreview(message.json as SlackPayload, colour);
      say(message.text.length === longest ? preview : firstLines(preview, 8));
    }

    step('A deploy gate that fails: portcullis gate --cluster prod-us');
    const failed = await gateCommand(['--config', configFile, '--cluster', 'prod-us'], inside);
    say(`exit code ${failed}`);

    step('A deploy gate that passes: portcullis gate --cluster prod-eu');
    const passed = await gateCommand(['--config', configFile, '--cluster', 'prod-eu'], inside);
    say(`exit code ${passed}`);

    step('With your own account');
    say(nextSteps.trimEnd());
    const wentWell =
      scanned === 0 && failed === 1 && passed === 0 && received.every((message) => message.status === 200);
    if (!wentWell) terminal.stderr.write('portcullis demo: did not go as it should\n');
    return wentWell ? 0 : 4;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function firstLines(text: string, count: number): string {
  const lines = text.trimEnd().split('\n');
  const more = lines.length - count;
  return more > 1 ? `${lines.slice(0, count).join('\n')}\n│ (${more} more lines)\n` : text;
}

const nextSteps = `1. A report at hand needs no account:
     npm run -s portcullis -- gate --report report.json --policy policies/production.yaml
2. For live reports edit portcullis.yaml: the region, credentials: env://HUAWEICLOUD_SDK, the receivers. Give the keys of
   an IAM user that may read HSS, and look at what would be sent before anything is:
     export HUAWEICLOUD_SDK_AK=... HUAWEICLOUD_SDK_SK=...
     npm run -s portcullis -- scan --dry-run
3. Run scan on a schedule, and gate --cluster NAME in the pipeline. README.md goes on from here.
`;
