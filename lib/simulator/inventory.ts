import { type Workload, workloads } from './catalog/workloads.ts';
import type { Random } from './random.ts';

export interface Node {
  readonly name: string;
  readonly privateIp: string;
  /** Empty for nodes without an elastic IP; otherwise from the ranges reserved for documentation. */
  readonly publicIp: string;
}

export interface Container {
  readonly id: string;
  readonly name: string;
  readonly pod: string;
  readonly node: Node;
  readonly workload: Workload;
}

/** The nodes and containers of a cluster: what the rows of a report are about. */
export interface Inventory {
  readonly nodes: readonly Node[];
  readonly containers: readonly Container[];
}

export interface InventorySizes {
  readonly hosts: number;
  readonly pods: number;
  readonly containers: number;
}

/** Kubernetes makes suffixes of these letters, so that they spell no words. */
const suffixLetters = 'bcdfghjklmnpqrstvwxz2456789';
const sidecars = ['istio-proxy', 'log-agent', 'vault-agent'];

/** At least one node and one container, whatever the sizes say, since rows have to stand somewhere. */
export function inventoryOf(random: Random, clusterName: string, sizes: InventorySizes): Inventory {
  const subnet = `10.${random.between(16, 31)}`;
  const nodes = Array.from({ length: Math.max(1, sizes.hosts) }, (_, i) => ({
    name: `${clusterName}-node-${random.text(suffixLetters, 5)}`,
    privateIp: `${subnet}.${Math.floor(i / 200) % 256}.${10 + (i % 200)}`,
    publicIp: random.chance(0.15) ? `203.0.113.${random.between(1, 254)}` : '',
  }));

  const pods = Math.max(1, sizes.pods);
  const mains: Container[] = Array.from({ length: pods }, (_, i) => {
    const workload = workloads[i % workloads.length] as Workload;
    return {
      id: random.hex(64),
      name: workload.name,
      pod: podName(random, workload.name),
      node: random.pick(nodes),
      workload,
    };
  });
  const others = Array.from({ length: Math.max(0, sizes.containers - pods) }, (_, i) => {
    const main = mains[i % mains.length] as Container;
    return { ...main, id: random.hex(64), name: sidecars[Math.floor(i / pods) % sidecars.length] as string };
  });
  return { nodes, containers: [...mains, ...others] };
}

/** As a deployment names its pods: `checkout-7d9c6b5f4d-x2k8p`. */
export function podName(random: Random, deployment: string): string {
  return `${deployment}-${replicaSetHash(random)}-${podSuffix(random)}`;
}

export function replicaSetHash(random: Random): string {
  return random.text(suffixLetters, 10);
}

export function podSuffix(random: Random): string {
  return random.text(suffixLetters, 5);
}
