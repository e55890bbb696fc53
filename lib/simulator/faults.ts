import { type Answer, gatewayError, hssError, html, iamError, json } from './answers.ts';
import type { LooseReport } from './clusters.ts';
import { throttled, unauthenticated } from './gateway.ts';
import { streamReport } from './reports.ts';
import type { Category } from './wire.ts';

/** What can go wrong with one call. A request that is wrong itself is refused before any fault comes up. */
export type Fault = ErrorFault | ContentFault | TransportFault;

/** An error instead of the answer. */
export type ErrorFault =
  /** 401, 403, 429 and 5xx as the gateway says them, or with another body. `retryAfter` is the header's text. */
  | {
      readonly kind: 'status';
      readonly status: 401 | 403 | 429 | 500 | 502 | 503 | 504;
      readonly retryAfter?: string;
      readonly body?: 'gateway' | 'iam' | 'html' | 'empty';
    }
  /** 400 as HSS says it: `usual`; `bare`, without prefix and `error_msg`; `not-found`, for a report that is gone. */
  | { readonly kind: 'hss-error'; readonly shape: 'usual' | 'bare' | 'not-found' };

/** Status 200 with a body that is not the one asked for. All but `empty`, `html` and `json` are of reports alone. */
export type ContentFault =
  /** A body of 0 bytes. */
  | { readonly kind: 'empty' }
  /** A page of some proxy. */
  | { readonly kind: 'html' }
  /** Any JSON. */
  | { readonly kind: 'json'; readonly body: unknown }
  /** The report with an earlier `scan_time` than its row in the list. */
  | { readonly kind: 'stale'; readonly ageMs: number }
  /** The report with a count above its list. */
  | { readonly kind: 'contradiction'; readonly more: number }
  /** The report of some other cluster. */
  | { readonly kind: 'wrong-cluster' }
  /** A valid report of this many bytes, made while it is sent. */
  | { readonly kind: 'huge'; readonly totalBytes: number };

/** The right answer, but not all of it or not in time. Fractions are of the body as it would have been sent. */
export type TransportFault =
  /** Nothing at all, until either side gives up. */
  | { readonly kind: 'hang' }
  /** The connection is reset before a status line. */
  | { readonly kind: 'reset' }
  /** Half of the body, then a byte every `everyMs` (default 20), but never the last, until either side gives up. */
  | { readonly kind: 'slow'; readonly everyMs?: number }
  /** A fraction of the body (default a half), then the end of the connection; the framing promised more. */
  | { readonly kind: 'cut'; readonly framing: 'length' | 'chunked'; readonly fraction?: number }
  /** A fraction of the JSON (default a half), properly framed. */
  | { readonly kind: 'truncated-json'; readonly fraction?: number }
  /** A fraction of the gzip stream (default a half), properly framed. */
  | { readonly kind: 'truncated-gzip'; readonly fraction?: number };

export function errorAnswer(fault: ErrorFault, requestId: string): Answer {
  if (fault.kind === 'hss-error') return hssErrors[fault.shape];
  const answer = errorBody(fault, requestId);
  if (fault.retryAfter === undefined) return answer;
  return { ...answer, headers: { ...answer.headers, 'retry-after': fault.retryAfter } };
}

const hssErrors = {
  usual: hssError('HSS.1017', 'Failed to query the security report.'),
  bare: json(400, { error_code: '00000010', error_description: 'Access denied.' }),
  'not-found': hssError('HSS.0011', 'The resource is not found.'),
} as const;

function errorBody({ status, body = 'gateway' }: ErrorFault & { kind: 'status' }, requestId: string): Answer {
  if (body === 'empty') return { status, headers: {}, body: Buffer.alloc(0) };
  if (body === 'html') return html(status, `${status} ${titles[status]}`);
  if (body === 'iam') return iamError(status, titles[status], 'The request could not be served.');
  if (status === 401) return unauthenticated('verify aksk signature fail', requestId);
  if (status === 429) return throttled(undefined, requestId);
  if (status === 403)
    return gatewayError(403, 'APIGW.0302', 'The IAM user is not allowed to access the API', requestId);
  return gatewayError(status, 'APIGW.0201', titles[status], requestId);
}

const titles = {
  401: 'Unauthorized',
  403: 'Forbidden',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
} as const;

type ReportFault = Extract<ContentFault, { kind: 'stale' | 'contradiction' | 'wrong-cluster' | 'huge' }>;

const reportKinds: readonly string[] = ['stale', 'contradiction', 'wrong-cluster', 'huge'];

/** Whether a fault changes what a report says, and so means nothing to the other APIs. */
export function isReportFault(fault: Fault): fault is ReportFault {
  return reportKinds.includes(fault.kind);
}

/** The report as the fault has it; `huge` replaces it by bytes. */
export function bentReport(fault: ReportFault, report: LooseReport): LooseReport | Iterable<Buffer> {
  switch (fault.kind) {
    case 'stale':
      return { ...report, scan_time: Number(report.scan_time) - fault.ageMs };
    case 'contradiction':
      return { ...report, local_image_vul_num: Number(report.local_image_vul_num) + fault.more };
    case 'wrong-cluster':
      return { ...report, cluster_id: 'ffffffff-0000-4000-a000-000000000000', cluster_name: 'some-other-cluster' };
    case 'huge':
      return streamReport({
        clusterId: String(report.cluster_id),
        clusterName: String(report.cluster_name),
        category: report.cluster_category as Category,
        scannedAtMs: Number(report.scan_time),
        seed: 'huge',
        totalBytes: fault.totalBytes,
      });
  }
}

export function contentAnswer(fault: Exclude<ContentFault, ReportFault>): Answer {
  switch (fault.kind) {
    case 'empty':
      return { status: 200, headers: { 'content-type': 'application/json;charset=utf8' }, body: Buffer.alloc(0) };
    case 'html':
      return html(200, 'Sign in to continue');
    case 'json':
      return json(200, fault.body);
  }
}
