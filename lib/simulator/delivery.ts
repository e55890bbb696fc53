import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import type { Answer } from './answers.ts';
import type { Fault, TransportFault } from './faults.ts';

/**
 * Put an answer on the wire, packed with gzip if asked, and broken if the fault is one of the transport. A body that
 * comes piece by piece is sent as fast as the other side reads it.
 */
export async function send(
  response: ServerResponse,
  answer: Answer,
  { pack, fault }: { readonly pack: boolean; readonly fault: Fault | undefined },
): Promise<void> {
  const { status, body } = answer;
  const headers = pack ? { ...answer.headers, 'content-encoding': 'gzip' } : { ...answer.headers };
  if (!Buffer.isBuffer(body)) {
    response.writeHead(status, headers);
    const source = Readable.from(body);
    await (pack ? pipeline(source, createGzip({ level: 1 }), response) : pipeline(source, response));
    return;
  }
  const bytes = pack ? gzipSync(body) : body;
  switch (fault?.kind) {
    case 'hang':
    case 'reset':
    case 'slow':
    case 'cut':
    case 'truncated-json':
    case 'truncated-gzip':
      sendBroken(fault, response, { status, headers, bytes, plain: body });
      return;
    default:
      response.writeHead(status, { ...headers, 'content-length': bytes.length }).end(bytes);
  }
}

export function acceptsGzip(acceptEncoding: string | undefined): boolean {
  return (acceptEncoding ?? '').split(',').some((coding) => /^\s*gzip\s*(;\s*q=(1|0\.\d*[1-9]).*)?$/.test(coding));
}

/** `bytes` as they would have been sent, packed or not; `plain` is never packed. */
function sendBroken(
  fault: TransportFault,
  response: ServerResponse,
  { status, headers, bytes, plain }: { status: number; headers: Record<string, string>; bytes: Buffer; plain: Buffer },
): void {
  switch (fault.kind) {
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    case 'slow': {
      let sent = Math.floor(bytes.length / 2);
      response.writeHead(status, { ...headers, 'content-length': bytes.length }).write(bytes.subarray(0, sent));
      const timer = setInterval(() => {
        if (sent < bytes.length - 1) response.write(bytes.subarray(sent, ++sent));
      }, fault.everyMs ?? 20);
      response.once('close', () => clearInterval(timer));
      return;
    }
    case 'cut': {
      const framing = fault.framing === 'length' ? { 'content-length': bytes.length } : {};
      response.writeHead(status, { ...headers, ...framing });
      response.write(part(bytes, fault.fraction), () => response.destroy());
      return;
    }
    case 'truncated-json': {
      const { 'content-encoding': _, ...unpacked } = headers;
      const some = part(plain, fault.fraction);
      response.writeHead(status, { ...unpacked, 'content-length': some.length }).end(some);
      return;
    }
    case 'truncated-gzip': {
      const some = part(gzipSync(plain), fault.fraction);
      response.writeHead(status, { ...headers, 'content-encoding': 'gzip', 'content-length': some.length }).end(some);
      return;
    }
  }
}

function part(bytes: Buffer, fraction = 0.5): Buffer {
  return bytes.subarray(0, Math.floor(bytes.length * fraction));
}
