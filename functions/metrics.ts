import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { ScanSummary } from '../lib/app/scan.ts';
import type { HssCalls } from '../lib/compose.ts';

type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

/** What a run was like, in CloudWatch's embedded metric format. */
export interface RunMetrics {
  add(name: string, value: number, unit?: Unit): void;
  /** The same of one of several: a receiver, a reason. */
  addOf(dimension: string, of: string, name: string, value: number): void;
  publish(): void;
}

export function powertoolsMetrics(): RunMetrics {
  const metrics = new Metrics({
    namespace: process.env.POWERTOOLS_METRICS_NAMESPACE ?? 'Portcullis',
    serviceName: process.env.POWERTOOLS_SERVICE_NAME ?? 'portcullis',
  });
  return {
    add: (name, value, unit = MetricUnit.Count) => metrics.addMetric(name, unit, value),
    addOf: (dimension, of, name, value) =>
      metrics.singleMetric().addDimension(dimension, of).addMetric(name, MetricUnit.Count, value),
    publish: () => metrics.publishStoredMetrics(),
  };
}

/** Where nobody counts. */
export const noMetrics: RunMetrics = { add() {}, addOf() {}, publish() {} };

export interface RunFacts {
  readonly summary: ScanSummary;
  readonly calls: HssCalls;
  readonly durationMs: number;
  readonly nowMs: number;
}

/** The figures of a run: what the dashboard shows and the alarms look at. */
export function addRun(metrics: RunMetrics, { summary, calls, durationMs, nowMs }: RunFacts): void {
  const { exitCode, looked, left, verdicts, alerts, failingSinceMs, oldestReportSeconds } = summary;
  // What is left is looked at by a continuation, which has succeeded then or not; without any progress there is none.
  const goesOn = left > 0 && looked > 0;
  if (exitCode !== 0 || !goesOn) metrics.add(exitCode === 0 && left === 0 ? 'ScanSucceeded' : 'ScanFailed', 1);
  metrics.add('VerdictPass', verdicts.pass);
  metrics.add('VerdictFail', verdicts.fail);
  metrics.add('VerdictUndetermined', verdicts.undetermined);
  metrics.add('AlertsFiring', alerts.firing);
  metrics.add('AlertsHeld', alerts.held);
  metrics.add('AlertsWaived', alerts.waived);
  if (oldestReportSeconds !== undefined) metrics.add('ReportAgeSeconds', oldestReportSeconds, MetricUnit.Seconds);
  addDelivery(metrics, summary, nowMs);
  metrics.add('SourceFailingSeconds', secondsSince(failingSinceMs, nowMs), MetricUnit.Seconds);
  metrics.add('HssCalls', calls.calls);
  metrics.add('HssThrottled', calls.throttled);
  metrics.add('DurationMs', durationMs, MetricUnit.Milliseconds);
  metrics.add('MemoryMiB', Math.round(process.memoryUsage().rss / 2 ** 20), MetricUnit.Megabytes);
}

/** 0: there is nothing. */
function secondsSince(sinceMs: number | undefined, nowMs: number): number {
  return sinceMs === undefined ? 0 : Math.max(0, Math.floor((nowMs - sinceMs) / 1000));
}

/** The figures of what receivers were told, and of what they are owed still. */
export function addDelivery(
  metrics: RunMetrics,
  { delivered, refused, told, owed, owedSinceMs }: ScanSummary,
  nowMs: number,
): void {
  for (const [receiver, count] of Object.entries(delivered))
    metrics.addOf('receiver', receiver, 'DeliveriesAccepted', count);
  for (const [receiver, count] of Object.entries(refused))
    metrics.addOf('receiver', receiver, 'DeliveriesRefused', count);
  for (const [reason, count = 0] of Object.entries(told)) metrics.addOf('reason', reason, 'AlertsTold', count);
  metrics.add('DeliveriesOwed', owed.length);
  metrics.add('DeliveriesOwedAgeSeconds', secondsSince(owedSinceMs, nowMs), MetricUnit.Seconds);
}
