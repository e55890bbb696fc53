import { join, resolve } from 'node:path';
import { answerFreshMs } from '../lib/app/gate.ts';
import type { Log } from '../lib/app/ports.ts';
import { type App, compose, loadConfig, type World } from '../lib/compose.ts';
import type { Logging } from './logging.ts';

/** What outlives an invocation of a function, as long as its instance is warm. */
export interface Instance {
  /** Made when it is first asked for. @throws {InputError} the config or a secret; the next call tries again */
  app(): Promise<App>;
  /** Make another app the next time: this one may be what went wrong, or still wait for an answer. */
  discard(): void;
  readonly log: Log;
  /** The run that the lines of the log belong to from now on. */
  begin(run: string): void;
}

type Env = Readonly<Record<string, string | undefined>>;

export function createInstance(
  env: Env,
  { log, begin }: Logging,
  around: Pick<World, 'clock' | 'openPages'> = {},
): Instance {
  let app: Promise<App> | undefined;

  async function start(): Promise<App> {
    return compose(await loadConfig(configPath(env)), { ...around, env, log, freshMs: answerFreshMs });
  }

  return {
    async app() {
      app ??= start();
      try {
        return await app;
      } catch (error) {
        app = undefined;
        throw error;
      }
    },
    discard() {
      app = undefined;
    },
    log,
    begin,
  };
}

/** `PORTCULLIS_CONFIG`, or the file beside the bundle. */
function configPath({ PORTCULLIS_CONFIG, LAMBDA_TASK_ROOT = '.' }: Env): string {
  return PORTCULLIS_CONFIG ? resolve(LAMBDA_TASK_ROOT, PORTCULLIS_CONFIG) : join(LAMBDA_TASK_ROOT, 'portcullis.yaml');
}

/** For the log alone. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
