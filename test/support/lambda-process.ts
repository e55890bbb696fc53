import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Ask, Told } from './lambda-child.ts';
import { logMark } from './lambda-mark.ts';
import type { TimeIs, Waits } from './lambda-time.ts';

export interface LambdaOptions {
  /** Where the package was unpacked. */
  readonly root: string;
  /** As the template says it: `gate.handler`. */
  readonly handler: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Its clock is that of the test, see `clock`; default: that of the machine. */
  readonly isTimed?: boolean;
}

/** The clock of an instance, as far as a test turns it. */
export interface InstanceClock {
  set(nowMs: number): void;
  /** There is nothing to do before; undefined: it is at work. Epoch milliseconds. */
  wakesAtMs(): number | undefined;
}

/** An instance of a packaged function: a process of its own, with nothing of the project around it. */
export interface Lambda {
  invoke(event: unknown, options?: Partial<Omit<Ask, 'event'>>): Promise<Told>;
  /** The lines of the log so far. */
  log(): { readonly [field: string]: unknown }[];
  /** What was counted so far, in CloudWatch's embedded metric format. */
  metrics(): { readonly [name: string]: unknown }[];
  /** All that was written, standard error included. */
  output(): string;
  readonly clock: InstanceClock;
  /** At once, in the middle of whatever it does. */
  kill(): void;
  close(): Promise<void>;
}

export function startLambda({ root, handler, env = {}, isTimed = false }: LambdaOptions): Lambda {
  const child: ChildProcess = fork(join(import.meta.dirname, 'lambda-child.ts'), {
    cwd: root,
    env: { LAMBDA_TASK_ROOT: root, _HANDLER: handler, AWS_REGION: 'eu-west-1', ...env },
    execArgv: isTimed ? ['--import', new URL('lambda-time.ts', import.meta.url).href] : [],
    silent: true,
  });
  // Lambda writes both to one log.
  let output = '';
  let calls = 0;
  let logged = () => {};
  const streams = [child.stdout, child.stderr].map((stream) => {
    const read = { marks: 0 };
    stream?.setEncoding('utf8').on('data', (text: string) => {
      const [first = '', ...rest] = text.split(logMark);
      output += [first, ...rest].join('');
      read.marks += rest.length;
      logged();
    });
    return read;
  });
  /** Settles when all is read that was logged in the calls so far. */
  const allLogged = () =>
    new Promise<void>((resolve) => {
      logged = () => {
        if (streams.every(({ marks }) => marks >= calls)) resolve();
      };
      logged();
    });
  const objects = () =>
    output
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line));
  const ended = once(child, 'exit');
  let turn = 0;
  let waits: Waits | undefined;
  let answer: (told: Told) => void = () => {};
  child.on('message', (message: Told | Waits) => {
    if ('wakesAtMs' in message) waits = message;
    else answer(message);
  });
  return {
    async invoke(event, { requestId = 'r-1', remainingMs = 60_000 } = {}) {
      const answered = new Promise<Told>((resolve) => {
        answer = resolve;
      });
      const call: Ask & TimeIs = { event, requestId, remainingMs, turn: ++turn, nowMs: Date.now() };
      calls += 1;
      child.send(call);
      const gone = ended.then(() => Promise.reject(new Error(`the function ended\n${output}`)));
      const told = await Promise.race([answered, gone]);
      await Promise.race([allLogged(), gone]);
      return told;
    },
    clock: {
      set(nowMs) {
        child.send({ turn: ++turn, nowMs } satisfies TimeIs);
      },
      wakesAtMs: () => (waits?.turn === turn ? waits.wakesAtMs : undefined),
    },
    kill: () => child.kill('SIGKILL'),
    log: () =>
      objects()
        // The figures for CloudWatch are no lines of the log.
        .filter((line) => line._aws === undefined)
        .map(({ level, message, run, ...fields }) => ({
          level: String(level).toLowerCase(),
          msg: message,
          request: run,
          ...fields,
        })),
    metrics: () => objects().filter((line) => line._aws !== undefined),
    output: () => output,
    async close() {
      child.kill();
      await ended;
    },
  };
}

/** A call of a function URL, payload format 2.0. */
export function urlEvent(call: {
  readonly method?: string;
  readonly query?: string;
  readonly body?: string;
  readonly isBase64Encoded?: boolean;
}): object {
  const { method = 'POST', query = '', body, isBase64Encoded = false } = call;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: '/',
    rawQueryString: query,
    headers: { 'content-type': 'application/json', host: 'abc.lambda-url.eu-west-1.on.aws' },
    requestContext: {
      accountId: '123456789012',
      authorizer: { iam: { accessKey: 'ASIAEXAMPLE', userArn: 'arn:aws:sts::123456789012:assumed-role/ci/run' } },
      domainName: 'abc.lambda-url.eu-west-1.on.aws',
      http: { method, path: '/', protocol: 'HTTP/1.1', sourceIp: '192.0.2.1', userAgent: 'curl/8' },
      requestId: 'e1506fd5-9e7b-434f-bd42-4f8fa224b599',
      routeKey: '$default',
      stage: '$default',
      timeEpoch: 1_793_606_400_000,
    },
    ...(body !== undefined && { body }),
    isBase64Encoded,
  };
}
