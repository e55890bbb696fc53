/** What the server says, before any fault bends it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Whole, or piece by piece for bodies too long to hold. */
  readonly body: Buffer | Iterable<Buffer>;
}

export function json(status: number, body: unknown): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json;charset=utf8' },
    body: Buffer.from(JSON.stringify(body)),
  };
}

/** As API Gateway reports errors. @see hss-api: part 5 */
export function gatewayError(status: number, code: string, message: string, requestId: string): Answer {
  return json(status, { error_msg: message, error_code: code, request_id: requestId });
}

/** As HSS usually reports errors: always 400, a missing resource too. @see hss-api: part 5 */
export function hssError(code: string, message: string): Answer {
  return json(400, { error_code: code, error_description: message, error_msg: message });
}

/** As IAM reports errors. @see hss-api: part 5 */
export function iamError(status: number, title: string, message: string): Answer {
  return json(status, { error: { code: status, message, title } });
}

export function html(status: number, title: string): Answer {
  const page = `<html>\r\n<head><title>${title}</title></head>\r\n<body><center><h1>${title}</h1></center></body>\r\n</html>`;
  return { status, headers: { 'content-type': 'text/html' }, body: Buffer.from(page) };
}
