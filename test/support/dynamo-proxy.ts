import type { IncomingMessage, ServerResponse } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listen } from '../../lib/simulator/loopback.ts';

/** What happens to a request in place of being answered. */
export type Fault =
  /** It is carried out; then something happens; then the connection ends without an answer. */
  | { readonly kind: 'answer-lost'; readonly meanwhile?: () => Promise<unknown> }
  /** It is not carried out. */
  | { readonly kind: 'error'; readonly name: string; readonly message?: string };

export interface DynamoProxy {
  readonly url: string;
  /** Operations as they came: `PutItem`. */
  readonly seen: readonly string[];
  /** The next requests for this operation meet these. */
  fail(operation: string, ...faults: Fault[]): void;
  /** Faults that no request met. */
  left(): number;
  close(): Promise<void>;
}

/** Stands between a client and DynamoDB. */
export async function startDynamoProxy(endpoint: string): Promise<DynamoProxy> {
  const seen: string[] = [];
  const faults = new Map<string, Fault[]>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
    seen.push(operation);
    const body = await buffer(request);
    const fault = faults.get(operation)?.shift();
    if (fault?.kind === 'error') {
      const { name, message = '' } = fault;
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' });
      response.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message }));
      return;
    }
    const answer = await forward(endpoint, request, body);
    if (fault?.kind === 'answer-lost') {
      await fault.meanwhile?.();
      response.destroy();
      return;
    }
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' }).end(answer.body);
  }

  const server = await listen((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  return {
    url: server.url,
    seen,
    fail: (operation, ...more) => faults.set(operation, [...(faults.get(operation) ?? []), ...more]),
    left: () => [...faults.values()].flat().length,
    close: server.close,
  };
}

async function forward(endpoint: string, request: IncomingMessage, body: Buffer) {
  const { 'x-amz-target': target, authorization, 'x-amz-date': date, 'content-type': type } = request.headers;
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'x-amz-target': String(target),
      'x-amz-date': String(date),
      'content-type': String(type),
      authorization: String(authorization),
    },
    body: new Uint8Array(body),
  });
  return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) };
}
