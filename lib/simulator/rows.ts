import { knownBaselines } from './catalog/baselines.ts';
import { type KnownVulnerability, knownVulnerabilities } from './catalog/vulnerabilities.ts';
import {
  imageRegistry,
  nodeCommands,
  nodePorts,
  plainPackages,
  privilegedKinds,
  type Workload,
  words,
  workloads,
} from './catalog/workloads.ts';
import { type Container, type Inventory, podSuffix, replicaSetHash } from './inventory.ts';
import { type Random, randomOf } from './random.ts';
import type {
  Level,
  WireBaselineCheck,
  WirePackage,
  WirePort,
  WirePrivilegedContainer,
  WireProcess,
  WireVulnerability,
} from './wire.ts';

/*
 * One generator for each list. They hold no rows, so a list may be longer than memory; each draws from a Random of its
 * own, so the length of one list changes nothing in another.
 */

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** Image by image; within an image no vulnerability of a package occurs twice. */
export function* vulnerabilityRows(
  random: Random,
  count: number,
  levels: readonly Level[],
): Generator<WireVulnerability> {
  let left = count;
  for (let image = 0; left > 0; image++) {
    const workload = workloads[image % workloads.length] as Workload;
    const version = `${workload.version}.${Math.floor(image / workloads.length)}`;
    const sizeBytes = workload.sizeBytes + random.below(9_000_000);
    const possible = vulnerabilitiesOf(workload).filter((v) => levels.includes(v.severity));
    const chosen = random.shuffle(possible).slice(0, random.between(Math.ceil(possible.length / 3), possible.length));
    const present = oneVersionOfEach(chosen);
    for (const known of present.slice(0, left)) yield vulnerabilityRow(workload, version, sizeBytes, known);
    left -= present.length;
  }
}

/** An image holds a package once, so only vulnerabilities of the first version stay. */
function oneVersionOfEach(chosen: readonly KnownVulnerability[]): KnownVulnerability[] {
  const versions = new Map<string, string>();
  return chosen.filter((known) => {
    const version = versions.get(known.package) ?? known.version;
    versions.set(known.package, version);
    return version === known.version;
  });
}

function vulnerabilityRow(
  workload: Workload,
  version: string,
  sizeBytes: number,
  known: KnownVulnerability,
): WireVulnerability {
  return {
    local_image_name: `${imageRegistry}/${workload.image}`,
    local_image_version: version,
    local_image_size: sizeBytes,
    vul_name: known.name,
    app_name: known.package,
    app_version: known.version,
    severity_level: known.severity,
    solution:
      known.fixedIn === '' ? '' : `Upgrade ${known.package} to ${known.fixedIn} or later and rebuild the image.`,
    vul_description: known.description,
  };
}

const vulnerabilitiesByWorkload = new Map(
  workloads.map((w) => [w, knownVulnerabilities.filter((v) => w.builtFrom.includes(v.ecosystem))]),
);

function vulnerabilitiesOf(workload: Workload): readonly KnownVulnerability[] {
  return vulnerabilitiesByWorkload.get(workload) ?? [];
}

/** One row for each baseline; more than there are baselines: again for each node pool. */
export function* baselineRows(random: Random, count: number, levels: readonly Level[]): Generator<WireBaselineCheck> {
  for (let i = 0; i < count; i++) {
    const known = knownBaselines[i % knownBaselines.length] as (typeof knownBaselines)[number];
    const pool = Math.floor(i / knownBaselines.length) + 1;
    const possible = known.items.filter((item) => levels.includes(item.severity));
    const chosen = new Set(random.shuffle(possible).slice(0, random.between(1, possible.length)));
    const failed = possible.filter((item) => chosen.has(item));
    yield {
      severity: worst(failed.map((item) => item.severity)),
      check_name: pool === 1 ? known.name : `${known.name} (node pool ${pool})`,
      check_type: known.type,
      standard: known.standard,
      check_rule_num: known.rules,
      failed_rule_num: failed.length,
      check_type_desc: known.description,
      baseline_item_list: failed,
    };
  }
}

/** Low when nothing failed: the API has no word for none here. */
function worst(levels: readonly Level[]): Level {
  if (levels.includes('High')) return 'High';
  return levels.includes('Medium') ? 'Medium' : 'Low';
}

export function* privilegedRows(
  random: Random,
  count: number,
  inventory: Inventory,
): Generator<WirePrivilegedContainer> {
  for (let i = 0; i < count; i++) {
    const kind = privilegedKinds[i % privilegedKinds.length] as (typeof privilegedKinds)[number];
    const node = random.pick(inventory.nodes);
    yield {
      container_name: kind.container,
      container_id: random.hex(64),
      container_status: random.chance(0.2) ? 'terminated' : 'running',
      pod_name: fill(kind.pod, random),
      host_name: node.name,
      private_ip: node.privateIp,
      public_ip: node.publicIp,
      event_abstract: kind.summary,
    };
  }
}

/** The known ports of each container, every eighth row a port of a node; on further rounds ports of short life. */
export function* portRows(random: Random, count: number, inventory: Inventory): Generator<WirePort> {
  const { containers, nodes } = inventory;
  for (let i = 0; i < count; i++) {
    const pid = random.between(1, 65_535);
    if (i % 8 === 7) {
      const node = random.pick(nodes);
      const known = random.pick(nodePorts);
      yield portRow({ id: '', name: '', pod: '', node }, known, known.port, pid);
    } else {
      const container = containers[i % containers.length] as Container;
      const { ports } = container.workload;
      const round = Math.floor(i / containers.length);
      const known = ports[round % ports.length] as (typeof ports)[number];
      yield portRow(container, known, round < ports.length ? known.port : random.between(32_768, 60_999), pid);
    }
  }
}

function portRow(
  container: Omit<Container, 'workload'>,
  known: { readonly address: string; readonly path: string },
  port: number,
  pid: number,
): WirePort {
  return {
    port,
    container_id: container.id,
    container_name: container.name,
    pod_name: container.pod,
    host_name: container.node.name,
    private_ip: container.node.privateIp,
    public_ip: container.node.publicIp,
    path: known.path,
    pid,
    laddr: known.address,
  };
}

/** All software of a container, then the next container. */
export function* packageRows(
  random: Random,
  count: number,
  inventory: Inventory,
  scannedAtMs: number,
): Generator<WirePackage> {
  const { containers } = inventory;
  let left = count;
  for (let i = 0; left > 0; i++) {
    const container = containers[i % containers.length] as Container;
    const updatedAtMs = scannedAtMs - random.between(1, 90) * dayMs;
    for (const [name, version] of packagesOf(container.workload).slice(0, left)) {
      yield {
        app_name: name,
        app_version: version,
        container_id: container.id,
        container_name: container.name,
        host_name: container.node.name,
        private_ip: container.node.privateIp,
        public_ip: container.node.publicIp,
        update_time: updatedAtMs,
        recent_scan_time: scannedAtMs - random.below(120) * minuteMs,
      };
    }
    left -= packagesOf(container.workload).length;
  }
}

const packagesByWorkload = new Map(
  workloads.map((workload) => {
    const versions = new Map(vulnerabilitiesOf(workload).map((v) => [v.package, v.version]));
    for (const ecosystem of workload.builtFrom) {
      for (const entry of plainPackages[ecosystem]) versions.set(...(entry.split(' ') as [string, string]));
    }
    return [workload, [...versions].sort(([a], [b]) => (a < b ? -1 : 1))];
  }),
);

function packagesOf(workload: Workload): readonly (readonly [string, string])[] {
  return packagesByWorkload.get(workload) ?? [];
}

/** The commands of each container, every eighth row a process of a node. */
export function* processRows(
  random: Random,
  count: number,
  inventory: Inventory,
  scannedAtMs: number,
): Generator<WireProcess> {
  const { containers, nodes } = inventory;
  for (let i = 0; i < count; i++) {
    const ofNode = i % 8 === 7;
    const container = ofNode ? undefined : (containers[i % containers.length] as Container);
    const node = container?.node ?? random.pick(nodes);
    const commands = container?.workload.commands ?? nodeCommands;
    const command = commands[Math.floor(i / containers.length) % commands.length] as string;
    yield {
      container_id: container?.id ?? '',
      container_name: container?.name ?? '',
      host_name: node.name,
      private_ip: node.privateIp,
      public_ip: node.publicIp,
      start_time: scannedAtMs - random.between(5, 30 * 24 * 60) * minuteMs,
      pid: random.between(1, 65_535),
      permission: random.chance(0.9) ? 'rwxr-xr-x' : 'rwxrwxrwx',
      user_name: container?.workload.user ?? 'root',
      launch_params: fill(command, random),
      hash: fileHash(command),
    };
  }
}

const fileHashes = new Map<string, string>();

/** The same program has the same hash wherever it runs. */
function fileHash(command: string): string {
  const program = command.split(' ', 1)[0] as string;
  const known = fileHashes.get(program) ?? randomOf(program).hex(64);
  fileHashes.set(program, known);
  return known;
}

const fillers: Readonly<Record<string, (random: Random) => string>> = {
  n: (random) => String(random.below(100)),
  octet: (random) => String(random.between(1, 254)),
  word: (random) => random.pick(words),
  hex: (random) => random.hex(16),
  hash: replicaSetHash,
  suffix: podSuffix,
};

function fill(template: string, random: Random): string {
  return template.replace(/\{(\w+)\}/g, (all, key: string) => fillers[key]?.(random) ?? all);
}
