import { expect, test } from 'vitest';
import { InputError, UndeterminedError } from '../../lib/core/errors.ts';
import { Secret } from '../../lib/core/secret.ts';
import { createHttp } from '../../lib/http/request.ts';
import { sendHeartbeat } from '../../lib/notifiers/heartbeat.ts';
import { startServer } from '../support/http-server.ts';

const http = createHttp();

/** A secret whose value was put there anew since it was fetched. */
const rotated = (old: string, now: string) => async (refresh: boolean) => new Secret(refresh ? now : old);

test.each([401, 403, 404, 410])(
  'a URL that is refused with %i is fetched anew, and called once more',
  async (status) => {
    const server = await startServer();
    server.expect({ path: '/old', reply: { status } }, { path: '/new', reply: { body: 'OK' } });
    const url = rotated(`${server.origin}/old`, `${server.origin}/new`);
    expect(await sendHeartbeat(url, http)).toBeUndefined();
  },
);

test('one that is the same still, or fails otherwise, is called once', async () => {
  const server = await startServer();
  server.expect({ path: '/a', reply: { status: 404 } }, { path: '/b', reply: { status: 500 } });
  const url = (path: string) => rotated(`${server.origin}${path}`, `${server.origin}${path === '/a' ? path : '/new'}`);
  expect([await sendHeartbeat(url('/a'), http), await sendHeartbeat(url('/b'), http)]).toEqual([
    'answered 404',
    'answered 500',
  ]);
});

test.each([
  new InputError('aws-sm://watchdog: there is none'),
  new UndeterminedError('source-unreachable', 'no answer'),
])('a secret that cannot be had is a reason, and ends no run: %s', async (error) => {
  expect(await sendHeartbeat(() => Promise.reject(error), http)).toBe(error.message);
});
