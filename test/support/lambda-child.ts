import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { logMark } from './lambda-mark.ts';

/**
 * The process of a Lambda instance: loads `NAME.mjs` from the task root and calls what it exports, for the test that
 * started it. No more of Lambda than a handler can see.
 */

/** What the parent sends. */
export interface Ask {
  readonly event: unknown;
  readonly requestId: string;
  readonly remainingMs: number;
}

/** What the parent gets; a handler that threw is an `error`. */
export interface Told {
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly message: string };
  /** Names of the files loaded so far from the task root. */
  readonly loaded: readonly string[];
  readonly nodeVersion: string;
}

const root = process.env.LAMBDA_TASK_ROOT ?? '';
const [file = '', name = ''] = (process.env._HANDLER ?? '').split('.');

const loaded: string[] = [];
registerHooks({
  load(url, context, next) {
    if (url.includes(root)) loaded.push(url.slice(url.lastIndexOf('/') + 1));
    return next(url, context);
  },
});

type Handler = (event: unknown, context: object) => Promise<unknown>;
const { [name]: handler } = (await import(join(root, `${file}.mjs`))) as Record<string, Handler>;

process.on('message', async (message: Ask | object) => {
  if (!('requestId' in message)) return;
  const { event, requestId, remainingMs } = message;
  const endMs = Date.now() + remainingMs;
  const context = { awsRequestId: requestId, getRemainingTimeInMillis: () => endMs - Date.now() };
  const answer = (told: Pick<Told, 'value' | 'error'>) => {
    process.stdout.write(logMark);
    process.stderr.write(logMark);
    process.send?.({ ...told, loaded, nodeVersion: process.version } satisfies Told);
  };
  try {
    // Lambda serializes what comes back.
    answer({ value: JSON.parse(JSON.stringify(await handler?.(event, context))) });
  } catch (error) {
    const { name: kind, message } = error as Error;
    answer({ error: { name: kind, message } });
  }
});
