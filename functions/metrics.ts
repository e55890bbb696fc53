import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { ScanSummary } from '../lib/app/scan.ts';
import type { HssCalls } from '../lib/compose.ts';

type Unit = (typeof MetricUnit)[keyof typeof MetricUnit];

/** What a run was like, in CloudWatch's embedded metric format. */
export interface RunMetrics {
  add(name: string, value: number, unit?: Unit): void;
  publish(): void;
}

export function powertoolsMetrics(): RunMetrics {
  const metrics = new Metrics({
    namespace: process.env.POWERTOOLS_METRICS_NAMESPACE ?? 'Portcullis',
    serviceName: process.env.POWERTOOLS_SERVICE_NAME ?? 'portcullis',
  });
  return {
    add: (name, value, unit = MetricUnit.Count) => metrics.addMetric(name, unit, value),
    publish: () => metrics.publishStoredMetrics(),
  };
}

/** Where nobody counts. */
export const noMetrics: RunMetrics = { add() {}, publish() {} };

export interface RunFacts {
  readonly summary: ScanSummary;
  readonly calls: HssCalls;
  readonly durationMs: number;
  readonly nowMs: number;
}

/** The figures of a run: what the dashboard shows and the alarms look at. */
export function addRun(metrics: RunMetrics, { summary, calls, durationMs, nowMs }: RunFacts): void {
  const { exitCode, verdicts, alerts, delivered, owed, owedSinceMs, failingSinceMs, oldestReportSeconds, refused } =
    summary;
  metrics.add(exitCode === 0 ? 'ScanSucceeded' : 'ScanFailed', 1);
  metrics.add('VerdictPass', verdicts.pass);
  metrics.add('VerdictFail', verdicts.fail);
  metrics.add('VerdictUndetermined', verdicts.undetermined);
  metrics.add('AlertsFiring', alerts);
  if (oldestReportSeconds !== undefined) metrics.add('ReportAgeSeconds', oldestReportSeconds, MetricUnit.Seconds);
  metrics.add('DeliveriesAccepted', sum(Object.values(delivered)));
  metrics.add('DeliveriesRefused', refused);
  metrics.add('DeliveriesOwed', owed.length);
  metrics.add('DeliveriesOwedAgeSeconds', secondsSince(owedSinceMs, nowMs), MetricUnit.Seconds);
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

/** The figures of a delivery that was tried again. */
export function addDelivery(
  metrics: RunMetrics,
  { delivered, refused, owed, owedSinceMs }: ScanSummary,
  nowMs: number,
): void {
  metrics.add('DeliveriesAccepted', sum(Object.values(delivered)));
  metrics.add('DeliveriesRefused', refused);
  metrics.add('DeliveriesOwed', owed.length);
  metrics.add('DeliveriesOwedAgeSeconds', secondsSince(owedSinceMs, nowMs), MetricUnit.Seconds);
}
