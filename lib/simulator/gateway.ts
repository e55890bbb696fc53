import { timingSafeEqual } from 'node:crypto';
import { type Answer, gatewayError } from './answers.ts';
import {
  type Authorization,
  canonicalRequest,
  formatSdkDate,
  parseAuthorization,
  parseSdkDate,
  type SignedRequest,
  signatureOf,
} from './signature.ts';

/** `list` and `report` are of HSS, the others of IAM. */
export type Api = 'list' | 'report' | 'projects' | 'auth-projects';

export interface SimulatedCredentials {
  readonly ak: string;
  readonly sk: string;
  /** Present: they are temporary, and every request has to send and sign the token. */
  readonly securityToken?: string;
}

export interface GatewayOptions {
  /** Read for each request, so that they can be rotated. */
  readonly credentials: () => SimulatedCredentials;
  /** Calls a minute of each API for each AK; none: no limit. */
  readonly limitPerMinute: number | undefined;
}

/** What stands before every API: who is calling, and whether too often. */
export interface Gateway {
  /** The refusal, or nothing when the request may pass. */
  check(request: SignedRequest, api: Api, nowMs: number, requestId: string): Answer | undefined;
}

const minuteMs = 60_000;
/** hss-api: part 3.1 */
const clockToleranceMs = 15 * minuteMs;
const failuresBeforeLock = 5;
const lockMs = 5 * minuteMs;

export function gateway(options: GatewayOptions): Gateway {
  const failures = new Map<string, { count: number; lockedUntilMs: number }>();
  const passed = new Map<string, number[]>();

  function authenticate(request: SignedRequest, nowMs: number): string | undefined {
    const authorization = parseAuthorization(request.headers.authorization);
    if (!authorization) return 'authorization header is missing or malformed';
    const record = failures.get(authorization.ak) ?? { count: 0, lockedUntilMs: 0 };
    if (nowMs < record.lockedUntilMs) return 'AK access failed to reach the limit,forbidden.';

    const problem = signatureProblem(request, authorization, options.credentials(), nowMs);
    if (problem === undefined) {
      failures.delete(authorization.ak);
      return undefined;
    }
    const count = record.count + 1;
    const locks = count > failuresBeforeLock;
    failures.set(authorization.ak, { count: locks ? 0 : count, lockedUntilMs: locks ? nowMs + lockMs : 0 });
    return problem;
  }

  /** Counted over the last minute, whenever that began; refused calls do not count. */
  function isThrottled(key: string, nowMs: number): boolean {
    if (options.limitPerMinute === undefined) return false;
    const recent = (passed.get(key) ?? []).filter((atMs) => nowMs - atMs < minuteMs);
    const throttled = recent.length >= options.limitPerMinute;
    passed.set(key, throttled ? recent : [...recent, nowMs]);
    return throttled;
  }

  return {
    check(request, api, nowMs, requestId) {
      const problem = authenticate(request, nowMs);
      if (problem !== undefined) return unauthenticated(problem, requestId);
      if (isThrottled(`${api} ${options.credentials().ak}`, nowMs)) return throttled(options.limitPerMinute, requestId);
      return undefined;
    },
  };
}

/** The texts are those that users of the real gateway quote; the last ends with the server's canonical request. */
function signatureProblem(
  request: SignedRequest,
  { ak, signedHeaders, signature }: Authorization,
  credentials: SimulatedCredentials,
  nowMs: number,
): string | undefined {
  if (ak !== credentials.ak) return `ak ${ak} not exist`;
  if (request.headers['x-security-token'] !== credentials.securityToken) return 'decrypt token fail';

  const sdkDate = request.headers['x-sdk-date'] ?? '';
  const signedAtMs = parseSdkDate(sdkDate);
  if (signedAtMs === undefined) return 'x-sdk-date is missing or malformed';
  if (Math.abs(nowMs - signedAtMs) > clockToleranceMs) {
    const times = `signature time:${sdkDate},server time:${formatSdkDate(nowMs)}`;
    return `calc aksk signature fail:signature expired, ${times}`;
  }

  const required = ['host', 'x-sdk-date', ...(credentials.securityToken === undefined ? [] : ['x-security-token'])];
  const canonical = canonicalRequest(request, signedHeaders);
  const expected = signatureOf(canonical, sdkDate, credentials.sk);
  const covered = required.every((name) => signedHeaders.includes(name));
  if (covered && timingSafeEqual(Buffer.from(signature), Buffer.from(expected))) return undefined;
  return `verify aksk signature fail, canonicalRequest:${canonical.replaceAll('\n', '|')}`;
}

export function unauthenticated(reason: string, requestId: string): Answer {
  return gatewayError(401, 'APIGW.0301', `Incorrect IAM authentication information: ${reason}`, requestId);
}

export function throttled(limit: number | undefined, requestId: string): Answer {
  const policy = `policy user over ratelimit,limit:${limit ?? 5},time:1 minute`;
  return gatewayError(429, 'APIGW.0308', `The throttling threshold has been reached: ${policy}`, requestId);
}
