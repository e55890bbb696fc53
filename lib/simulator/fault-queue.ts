import { type Fault, isReportFault } from './faults.ts';
import type { Api } from './gateway.ts';

/** Which calls a fault is for; default the next one of any API. */
export interface FaultTarget {
  readonly api?: Api;
  /** Only reports of this cluster. */
  readonly clusterId?: string;
  /** How many calls; default 1, `Infinity` for all. */
  readonly times?: number;
}

/** Faults still to come, used up in the order in which they were given. */
export interface FaultQueue {
  add(fault: Fault, target: FaultTarget): void;
  /** The fault of a call; `clusterId` is of the report that is asked for. */
  take(api: Api, clusterId: string | undefined): Fault | undefined;
  pending(): Fault['kind'][];
}

export function faultQueue(): FaultQueue {
  const entries: (FaultTarget & { fault: Fault; left: number })[] = [];
  return {
    add(fault, target) {
      const isForReports = isReportFault(fault) || target.clusterId !== undefined;
      const api = target.api ?? (isForReports ? 'report' : undefined);
      if (isForReports && api !== 'report') throw new TypeError(`fault ${fault.kind}: for reports alone, not ${api}`);
      entries.push({ ...target, ...(api && { api }), fault, left: target.times ?? 1 });
    },
    take(api, clusterId) {
      const entry = entries.find((e) => (e.api ?? api) === api && (e.clusterId ?? clusterId) === clusterId);
      if (!entry) return undefined;
      entry.left -= 1;
      if (entry.left <= 0) entries.splice(entries.indexOf(entry), 1);
      return entry.fault;
    },
    pending: () => entries.map(({ fault }) => fault.kind),
  };
}
