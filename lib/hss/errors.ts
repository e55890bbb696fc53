import * as z from 'zod/mini';
import { parseJson } from '../http/json.ts';
import { parseRetryAfter } from '../http/request.ts';
import type { RateLimit } from './pacer.ts';

/** An answer other than the one asked for, its body as far as it was read. */
export interface Answer {
  readonly service: 'HSS' | 'IAM';
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** What was known here when the answer came. */
export interface Asked {
  readonly nowMs: number;
  /** At most its last four characters are shown. */
  readonly ak: string;
}

/**
 * HSS, IAM or the gateway before them did not do as asked. The message is ours, chosen by status and code: the
 * server's own text can hold the canonical request of a signature, so none of it is kept.
 */
export class HssError extends Error {
  override readonly name = 'HssError';
  readonly status: number;
  /** As the service writes it: `HSS.1019`, `APIGW.0301`, `00000010`. */
  readonly code: string | undefined;
  readonly requestId: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** The limit of this caller that an answer 429 told. */
  readonly limit: RateLimit | undefined;
  readonly throttled: boolean;
  /** 429 and 5xx. */
  readonly retryable: boolean;
  /** The service says that there is no such thing; not so for an endpoint or a web page in between. */
  readonly missing: boolean;

  constructor(answer: Answer, asked: Asked) {
    const { service, status, headers, text } = answer;
    const body = errorBody(text);
    const code = body.code === String(status) ? undefined : body.code;
    const requestId = body.requestId ?? plainId(headers['x-request-id']) ?? plainId(headers['x-iam-trace-id']);
    const request = requestId === undefined ? '' : ` (request ${requestId})`;
    const page = isWebPage(answer);
    super(
      `${service} answered ${status}${code === undefined ? '' : ` ${code}`}${request}: ${advice(answer, code, page, asked)}`,
    );
    this.status = status;
    this.code = code;
    this.requestId = requestId;
    this.retryAfterMs = parseRetryAfter(headers['retry-after'], asked.nowMs);
    this.limit = body.limit;
    this.throttled = status === 429 || gatewayNumber(code) === '0308';
    this.retryable = this.throttled || status >= 500;
    this.missing = code === 'HSS.0011' || (status === 404 && !page && gatewayNumber(code) === undefined);
  }
}

/** A login page, a proxy's refusal, a load balancer's apology: whatever its status, it says nothing about reports. */
export function isWebPage({ headers, text }: Pick<Answer, 'headers' | 'text'>): boolean {
  return /^\s*text\/html\b/i.test(headers['content-type'] ?? '') || text.trimStart().startsWith('<');
}

interface ErrorFacts {
  readonly code: string | undefined;
  readonly requestId: string | undefined;
  readonly limit: RateLimit | undefined;
}

const Body = z.looseObject({ error: z.catch(z.looseObject({}), {}) });

/**
 * Every shape that is known: the gateway's (`error_code`, `error_msg`, `request_id`), that of HSS (`error_description`
 * beside or in place of `error_msg`, codes without a prefix), that of IAM (`error.code`, a number, and
 * `error.message`), text that is no JSON, and nothing.
 */
function errorBody(text: string): ErrorFacts {
  const { data: body } = z.safeParse(Body, parseJson(text));
  const said = body?.error.message ?? body?.error_msg ?? body?.error_description ?? text;
  return {
    code: plainCode(body?.error.code ?? body?.error_code),
    requestId: plainId(body?.request_id),
    limit: typeof said === 'string' ? rateLimit(said) : undefined,
  };
}

/** A code is digits with or without a prefix; anything else could be anything. */
function plainCode(value: unknown): string | undefined {
  const code = typeof value === 'number' || typeof value === 'string' ? String(value) : '';
  return /^([A-Za-z][A-Za-z0-9]{1,11}\.)?\d{1,10}$/.test(code) ? code : undefined;
}

/** Request ids are hex digits, with or without dashes: too few for a key, a token or a signature. */
function plainId(value: unknown): string | undefined {
  return typeof value === 'string' && /^[0-9a-f-]{8,36}$/i.test(value) ? value : undefined;
}

const unitMs: Readonly<Record<string, number>> = { second: 1000, minute: 60_000, hour: 3_600_000 };

/**
 * `policy user over ratelimit,limit:5,time:1 minute`, of this caller (`user`, `ip`); the limit of all callers together
 * (`api`) is not ours to use up.
 */
function rateLimit(text: string): RateLimit | undefined {
  const found = /policy (?:user|ip) over ratelimit, ?limit:(\d{1,6}), ?time:(\d{1,3}) ?(second|minute|hour)/i.exec(
    text,
  );
  const [, calls, times, unit = ''] = found ?? [];
  const windowMs = Number(times) * (unitMs[unit.toLowerCase()] ?? 0);
  return Number(calls) > 0 && windowMs > 0 ? { calls: Number(calls), windowMs } : undefined;
}

/** The gateway's own codes begin with `APIG.` or `APIGW.`, with the same numbers. */
function gatewayNumber(code: string | undefined): string | undefined {
  return /^APIGW?\.(\d{4})$/.exec(code ?? '')?.[1];
}

const grant = 'give its IAM user the right to read HSS in this project';

const hssAdvice: Readonly<Record<string, string>> = {
  'HSS.0001': 'a parameter is not valid; check project_id and enterprise_project_id',
  'HSS.0002': 'the request was not understood; check endpoint and project_id',
  'HSS.0010': `the access key may not do this; ${grant}`,
  'HSS.0011': 'there is no such thing, or not any more',
  'HSS.0013': `the access key may not do this; ${grant}`,
  'HSS.1017': 'it could not look up the report; the next run asks again',
};

const gatewayAdvice: Readonly<Record<string, string>> = {
  '0101': 'there is no such API here; check endpoint and region',
  '0103': 'the gateway knows no service behind this API; check endpoint and region',
  '0104': 'the gateway knows no service behind this API; check endpoint and region',
  '0105': 'the gateway knows no service behind this API; check endpoint and region',
  '0307': 'the temporary credentials have run out; get new ones',
  '0308': 'too many calls',
  '0310': 'the project is not available; check project_id, and whether the account is in arrears',
  '0401': 'calls from this address are not allowed',
  '0402': 'calls from this address are not allowed',
  '0404': 'calls from this address are not allowed',
};

function advice(answer: Answer, code: string | undefined, page: boolean, { nowMs, ak }: Asked): string {
  const { service, status, headers } = answer;
  if (page) return 'a web page, so something in between answered; check endpoint and proxies';
  const known = hssAdvice[code ?? ''] ?? gatewayAdvice[gatewayNumber(code) ?? ''];
  if (status === 401) {
    const key = `the access key${ak.length > 8 ? ` that ends in ${ak.slice(-4)}` : ''}`;
    return (
      clockAdvice(headers.date, nowMs) ??
      known ??
      `${key} was not accepted; check key and secret; it is not tried again, since 5 failures in a row lock a key`
    );
  }
  if (known !== undefined) return known;
  if (status === 403) return `the access key may not do this; ${service === 'IAM' ? 'set project_id' : grant}`;
  if (status === 404) return 'there is no such thing, or not any more';
  if (status === 429) return 'too many calls';
  if (status >= 500) return 'the service has a problem of its own';
  if (status >= 400) return 'it refused the request; check region, project_id and enterprise_project_id';
  return 'not the answer of this API; check endpoint and proxies';
}

const skewMs = 5 * 60_000;

/** Signatures hold for 15 minutes around their date. */
function clockAdvice(date: string | undefined, nowMs: number): string | undefined {
  const aheadMs = nowMs - Date.parse(date ?? '');
  if (!(Math.abs(aheadMs) > skewMs)) return undefined;
  const minutes = Math.round(Math.abs(aheadMs) / 60_000).toLocaleString('en-US');
  return `this machine's clock is ${minutes} minutes ${aheadMs > 0 ? 'ahead' : 'behind'}; set it`;
}
