import { expect, test } from 'vitest';
import { InputError } from '../../lib/core/errors.ts';
import { hssEndpoint, iamEndpoint } from '../../lib/hss/endpoints.ts';

test.each([
  { region: 'ap-southeast-1', end: 'ap-southeast-1.myhuaweicloud.com' },
  { region: 'cn-north-4', end: 'cn-north-4.myhuaweicloud.com' },
  { region: 'xy-newest-9', end: 'xy-newest-9.myhuaweicloud.com' },
  { region: 'eu-west-101', end: 'eu-west-101.myhuaweicloud.eu' },
])('$region is at $end', ({ region, end }) => {
  expect(hssEndpoint(region).href).toBe(`https://hss.${end}/`);
  expect(iamEndpoint(region).href).toBe(`https://iam.${end}/`);
});

test.each(['', 'ap southeast', 'evil.com/', 'a.b', 'AP-SOUTHEAST-1', '-', 'x@y', '../x'])(
  '%j is no region',
  (region) => {
    expect(() => hssEndpoint(region)).toThrow(InputError);
    expect(() => iamEndpoint(region)).toThrow(InputError);
  },
);

test.each([
  'https://hss.example.internal',
  'https://hss.example.internal/',
  'https://hss.example.internal:8443',
  'http://127.0.0.1:8080',
  'http://127.9.9.9',
  'http://localhost:1',
  'http://[::1]:1',
])('%s is an endpoint', (endpoint) => {
  expect(hssEndpoint('x', endpoint).href).toBe(new URL(endpoint).href);
});

test.each([
  'http://hss.example.internal',
  'http://127.evil.example',
  'http://localhost.evil.example',
  'http://10.0.0.1',
  'http://[::2]',
  'https://user:password@hss.example',
  'https://hss.example/path',
  'https://hss.example/?a=b',
  'https://hss.example/#a',
  'ftp://127.0.0.1',
  'hss.example',
  '',
])('%j is no endpoint', (endpoint) => {
  expect(() => hssEndpoint('x', endpoint)).toThrow(InputError);
  expect(() => iamEndpoint('x', endpoint)).toThrow(/^(?!.*password)/);
});
