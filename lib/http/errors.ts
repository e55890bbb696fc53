/** How far an exchange came; `aborted`: the caller ended it. */
export type HttpPhase = 'connect' | 'headers' | 'body' | 'aborted';

export interface HttpErrorFacts {
  /** Whether the same request may succeed a moment later. */
  readonly retryable: boolean;
  /** What Node, OpenSSL or undici calls it, such as `ECONNREFUSED`. */
  readonly code?: string | undefined;
  /** It was aborted before anything of the request went out. */
  readonly isUnsent?: boolean;
  /** `name:port`; leave it out where the host is a secret too. */
  readonly host?: string | undefined;
}

/**
 * An exchange that did not come to its end. Holds no path, query, header or body, since those can be secrets, and no
 * cause, since undici's errors carry bytes of the answer.
 */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly phase: HttpPhase;
  /** The message without the host. */
  readonly reason: string;
  readonly retryable: boolean;
  readonly code: string | undefined;
  readonly isUnsent: boolean;

  constructor(phase: HttpPhase, reason: string, facts: HttpErrorFacts) {
    const connecting = phase === 'connect';
    super(connecting && facts.host !== undefined ? `connect to ${facts.host}: ${reason}` : reason);
    this.phase = phase;
    this.reason = connecting ? `connect: ${reason}` : reason;
    this.retryable = facts.retryable;
    this.code = facts.code;
    this.isUnsent = facts.isUnsent === true;
  }
}

const connectReasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'closed by the other side',
  EHOSTUNREACH: 'no way to this host',
  ENETUNREACH: 'no way to this network',
  ENOTFOUND: 'no such name',
  EAI_AGAIN: 'the name could not be looked up',
};

const certificateCode = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/;
const connectTimeoutCodes = new Set(['UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT']);

/** An error of undici, node:net or node:tls before the answer's status. */
export function sendError(
  error: unknown,
  phase: 'connect' | 'headers',
  host: string,
  { connectMs, headersMs }: { readonly connectMs: number; readonly headersMs: number },
): HttpError {
  if (error instanceof HttpError) return error;
  const code = codeOf(error) ?? '';
  const facts = { retryable: true, code: code || undefined, host };
  const final = { ...facts, retryable: false };
  if (code === 'UND_ERR_INVALID_ARG') return new HttpError('headers', 'the request is not valid HTTP', final);
  if (phase === 'headers') {
    if (code === 'UND_ERR_HEADERS_TIMEOUT')
      return new HttpError(phase, `no answer within ${seconds(headersMs)}`, facts);
    if (code.startsWith('HPE_')) return new HttpError(phase, 'the answer is not valid HTTP', facts);
    return new HttpError(phase, 'the connection was closed before an answer', facts);
  }
  if (connectTimeoutCodes.has(code)) return new HttpError(phase, `no connection within ${seconds(connectMs)}`, facts);
  if (certificateCode.test(code)) return new HttpError(phase, `the certificate is not trusted (${code})`, final);
  return new HttpError(phase, connectReasons[code] ?? `failed (${code || 'no code'})`, facts);
}

/** An error of undici or node:zlib in the body, after `received` plain bytes. */
export function bodyError(error: unknown, received: number, bodyMs: number): HttpError {
  const code = codeOf(error);
  const after = `the body stopped after ${received.toLocaleString('en-US')} bytes`;
  const facts = { retryable: true, code };
  if (code === 'UND_ERR_BODY_TIMEOUT') return new HttpError('body', `${after}: nothing for ${seconds(bodyMs)}`, facts);
  if (code?.startsWith('Z_')) return new HttpError('body', `${after}: its gzip is broken`, facts);
  return new HttpError('body', after, facts);
}

export function seconds(ms: number): string {
  return `${ms / 1000} s`;
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(code) ? code : undefined;
}
