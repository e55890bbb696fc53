import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { describe, expect, test } from 'vitest';
import { type AddressKind, addressKind, createGuard, type Reach } from '../../lib/http/addresses.ts';
import { HttpError } from '../../lib/http/errors.ts';

test.each<[AddressKind, string, string]>([
  ['public', '8.8.8.8', 'a resolver'],
  ['public', '9.255.255.255', 'below 10/8'],
  ['private', '10.0.0.0', 'RFC 1918'],
  ['private', '10.255.255.255', 'RFC 1918'],
  ['public', '11.0.0.0', 'above 10/8'],
  ['public', '172.15.255.255', 'below 172.16/12'],
  ['private', '172.16.0.1', 'RFC 1918'],
  ['private', '172.31.255.255', 'RFC 1918'],
  ['public', '172.32.0.0', 'above 172.16/12'],
  ['private', '192.168.0.1', 'RFC 1918'],
  ['public', '192.169.0.0', 'above 192.168/16'],
  ['private', '127.0.0.1', 'loopback'],
  ['private', '127.255.255.254', 'loopback'],
  ['public', '100.63.255.255', 'below CGNAT'],
  ['private', '100.64.0.1', 'CGNAT'],
  ['private', '100.127.255.255', 'CGNAT'],
  ['public', '100.128.0.0', 'above CGNAT'],
  ['special', '0.0.0.0', 'unspecified'],
  ['special', '0.1.2.3', 'this network'],
  ['special', '169.254.1.1', 'link-local'],
  ['special', '192.0.0.1', 'protocol assignments'],
  ['special', '192.0.2.1', 'documentation'],
  ['special', '198.51.100.1', 'documentation'],
  ['special', '203.0.113.1', 'documentation'],
  ['special', '192.88.99.1', 'relays of 6to4'],
  ['special', '198.18.0.1', 'benchmarking'],
  ['special', '198.19.255.255', 'benchmarking'],
  ['public', '198.20.0.0', 'above benchmarking'],
  ['public', '223.255.255.255', 'below multicast'],
  ['special', '224.0.0.1', 'multicast'],
  ['special', '239.255.255.255', 'multicast'],
  ['special', '240.0.0.1', 'class E'],
  ['special', '255.255.255.255', 'broadcast'],
  ['metadata', '169.254.169.254', 'metadata'],
  ['metadata', '169.254.170.2', 'metadata of a container'],
  ['metadata', '169.254.170.23', 'metadata of a pod'],
  ['metadata', '192.0.0.192', 'metadata within protocol assignments'],
  ['metadata', '100.100.100.200', 'metadata within CGNAT'],
  ['metadata', '168.63.129.16', 'metadata at an address that looks public'],
  ['public', '2606:4700::6810:84e5', 'global'],
  ['public', '2a00:1450:4001:82f::200e', 'global'],
  ['special', '::', 'unspecified'],
  ['private', '::1', 'loopback'],
  ['private', '0:0:0:0:0:0:0:1', 'loopback, spelled out'],
  ['private', 'fc00::1', 'ULA'],
  ['private', 'fdff:ffff::1', 'ULA'],
  ['special', 'fe00::1', 'above ULA, not assigned'],
  ['special', 'fe80::1', 'link-local'],
  ['special', 'fe80::1%eth0', 'link-local, with its zone'],
  ['special', 'febf::1', 'link-local'],
  ['special', 'fec0::1', 'site-local, of old'],
  ['special', 'ff02::1', 'multicast'],
  ['special', '100::1', 'discard-only'],
  ['special', '64:ff9b::8.8.8.8', 'NAT64'],
  ['special', '64:ff9b::a00:1', 'NAT64 of a private address'],
  ['special', '64:ff9b:1::1', 'NAT64, local use'],
  ['special', '2002:808:808::1', '6to4'],
  ['special', '2002:7f00:1::', '6to4 of loopback'],
  ['special', '2001::1', 'Teredo'],
  ['special', '2001:2::1', 'benchmarking'],
  ['special', '2001:db8::1', 'documentation'],
  ['special', '3fff::1', 'documentation'],
  ['special', '5f00::1', 'segment routing'],
  ['special', '4000::1', 'not assigned'],
  ['special', '::8.8.8.8', 'v4-compatible'],
  ['special', '::127.0.0.1', 'v4-compatible loopback'],
  ['public', '::ffff:8.8.8.8', 'a mapped public address'],
  ['private', '::ffff:127.0.0.1', 'mapped loopback'],
  ['private', '::ffff:7f00:1', 'mapped loopback, in hex'],
  ['private', '0:0:0:0:0:FFFF:0A00:0001', 'a mapped private address, spelled out'],
  ['special', '::ffff:0.0.0.0', 'mapped unspecified'],
  ['special', '::ffff:0:127.0.0.1', 'translated, which is not mapped'],
  ['metadata', '::ffff:a9fe:a9fe', 'mapped metadata'],
  ['metadata', '64:ff9b::169.254.169.254', 'metadata by NAT64'],
  ['metadata', '2002:a9fe:a9fe::1', 'metadata by 6to4'],
  ['metadata', '::169.254.169.254', 'metadata, v4-compatible'],
  ['metadata', 'fd00:ec2::254', 'metadata within ULA'],
  ['metadata', 'fd00:ec2::23', 'metadata of a pod, within ULA'],
  ['metadata', 'fd20:ce::254', 'metadata within ULA'],
  ['special', '', 'no address'],
  ['special', 'localhost', 'no address'],
  ['special', '0177.0.0.1', 'no address to us, loopback to others'],
  ['special', '127.1', 'no address to us, loopback to others'],
  ['special', '8.8.8.8 ', 'no address'],
])('%s: %s, %s', (kind, address) => {
  expect(addressKind(address)).toBe(kind);
});

function problemOf(url: string, reach: Reach = {}): string | undefined {
  try {
    createGuard(reach).check(new URL(url));
    return undefined;
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    expect(error).toMatchObject({ phase: 'connect', retryable: false });
    return error.message;
  }
}

describe('a URL that names an address', () => {
  test.each([
    'https://127.0.0.1/',
    'https://127.0.0.1:8443/a?b',
    'https://127.0.0.1./',
    'https://127.1/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://①②⑦.0.0.1/',
    'https://127。0。0。1/',
    'https://0/',
    'https://user:word@127.0.0.1/',
    'https://hooks.slack.com@127.0.0.1/',
    'https://127.0.0.1\\@hooks.slack.com/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]:8443/',
    'https://[0:0:0:0:0:ffff:7f00:1]/',
    'https://[fd00::1]/',
    'https://[64:ff9b::10.0.0.1]/',
    'https://10.0.0.1/',
  ])('%s is not connected to', (url) => {
    expect(problemOf(url)).toBe('is a private address that allow does not list');
  });

  test.each(['https://8.8.8.8/', 'https://134744072/', 'https://[2606:4700::1]/', 'https://[::ffff:8.8.8.8]/'])(
    '%s is',
    (url) => {
      expect(problemOf(url)).toBeUndefined();
    },
  );

  test('names are left to the lookup, also those that look like an address', () => {
    for (const url of ['https://localhost./', 'https://127.0.0.1.example/', 'https://127.0.0.1../']) {
      expect(problemOf(url)).toBeUndefined();
    }
  });
});

test.each<{ url: string; reach: Reach; says: string | undefined }>([
  { url: 'http://hooks.example/', reach: {}, says: 'plain http: use https, or say insecure: true' },
  { url: 'http://8.8.8.8/', reach: { allow: ['8.8.8.8'] }, says: 'plain http: use https, or say insecure: true' },
  { url: 'http://127.0.0.1/', reach: { insecure: true }, says: undefined },
  { url: 'http://[::ffff:127.0.0.1]/', reach: { insecure: true }, says: undefined },
  { url: 'http://[::1]/', reach: { insecure: true }, says: undefined },
  // http goes nowhere but to this machine and to what is listed.
  { url: 'http://192.168.1.2/', reach: { insecure: true }, says: 'is a private address that allow does not list' },
  { url: 'http://100.64.0.9/', reach: { insecure: true }, says: 'is a private address that allow does not list' },
  { url: 'http://[fd00::1]/', reach: { insecure: true }, says: 'is a private address that allow does not list' },
  { url: 'http://192.168.1.2/', reach: { insecure: true, allow: ['192.168.0.0/16'] }, says: undefined },
  {
    url: 'http://192.168.1.2/',
    reach: { allow: ['192.168.0.0/16'] },
    says: 'plain http: use https, or say insecure: true',
  },
  { url: 'https://192.168.1.2/', reach: { insecure: true }, says: undefined },
  { url: 'https://8.8.8.8/', reach: { insecure: true }, says: undefined },
  { url: 'http://8.8.8.8/', reach: { insecure: true }, says: 'is a public address: use https' },
  { url: 'http://8.8.8.8/', reach: { insecure: true, allow: ['8.8.0.0/16'] }, says: undefined },
  { url: 'http://169.254.1.1/', reach: { insecure: true }, says: 'is a private address that allow does not list' },
  { url: 'http://169.254.1.1/', reach: { insecure: true, allow: ['169.254.1.0/24'] }, says: undefined },
  { url: 'https://10.1.2.3/', reach: { allow: ['10.0.0.0/8'] }, says: undefined },
  { url: 'https://10.1.2.3/', reach: { allow: ['192.168.0.0/16', '10.1.2.3'] }, says: undefined },
  { url: 'https://10.1.2.4/', reach: { allow: ['10.1.2.3'] }, says: 'is a private address that allow does not list' },
  { url: 'https://[::ffff:10.1.2.3]/', reach: { allow: ['10.0.0.0/8'] }, says: undefined },
  { url: 'https://[fd12::1]/', reach: { allow: ['fd12::/16'] }, says: undefined },
  { url: 'https://[fd13::1]/', reach: { allow: ['fd12::/16'] }, says: 'is a private address that allow does not list' },
  // Ranges of one family say nothing about the other.
  { url: 'https://10.0.0.1/', reach: { allow: ['::/0'] }, says: 'is a private address that allow does not list' },
  {
    url: 'https://169.254.169.254/latest/',
    reach: { insecure: true, allow: ['0.0.0.0/0', '169.254.169.254'] },
    says: 'is a metadata address of a cloud, which is never allowed',
  },
])('$url with $reach: $says', ({ url, reach, says }) => {
  expect(problemOf(url, reach)).toBe(says);
});

/** What the guard makes of the addresses that a name has. */
function lookedUp(url: string, addresses: readonly string[], reach: Reach = {}, all = true) {
  const asked: unknown[] = [];
  const resolve: LookupFunction = (name, options, callback) => {
    asked.push([name, options]);
    callback(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  let given: readonly unknown[] = [];
  const to = new URL(url);
  createGuard(reach).lookup(to, resolve)(to.hostname, { all, family: 0, hints: 32 }, (...values) => {
    given = values;
  });
  const [error, found, family] = given;
  return { asked, error, found, family };
}

describe('of the addresses that a name has', () => {
  test('only the public ones are given', () => {
    const { found } = lookedUp('https://x.example/', ['10.0.0.1', '93.184.216.34', '::1', '2606:4700::1', 'fe80::1']);

    expect(found).toEqual([
      { address: '93.184.216.34', family: 4 },
      { address: '2606:4700::1', family: 6 },
    ]);
  });

  test('the first good one is given where one is asked for; all are looked at even so', () => {
    const { asked, error, found, family } = lookedUp('https://x.example/', ['10.0.0.1', '2606:4700::1'], {}, false);

    expect([error, found, family]).toEqual([null, '2606:4700::1', 6]);
    expect(asked).toEqual([['x.example', { all: true, family: 0, hints: 32 }]]);
  });

  test.each([
    { addresses: ['10.0.0.1', '127.0.0.1'], says: 'resolves to a private address that allow does not list' },
    { addresses: ['::ffff:10.0.0.1'], says: 'resolves to a private address that allow does not list' },
    { addresses: ['169.254.169.254'], says: 'resolves to a metadata address of a cloud, which is never allowed' },
    { addresses: [], says: 'resolves to no address' },
  ])('none is left of $addresses: $says', ({ addresses, says }) => {
    const { error, found } = lookedUp('https://x.example/path', addresses);

    expect(error).toBeInstanceOf(HttpError);
    expect(error).toMatchObject({ message: says, reason: `connect: ${says}`, phase: 'connect', retryable: false });
    expect(found).toBe('');
  });

  test.each<{ url: string; allow: string[]; open: boolean }>([
    { url: 'https://hooks.internal.example/', allow: ['hooks.internal.example'], open: true },
    { url: 'https://HOOKS.internal.example./', allow: ['hooks.Internal.example'], open: true },
    { url: 'https://hooks.internal.example/', allow: ['hooks.internal.example.'], open: true },
    { url: 'https://hooks.internal.example/', allow: ['internal.example'], open: false },
    { url: 'https://internal.example/', allow: ['hooks.internal.example'], open: false },
    { url: 'https://hooks.internal.example.evil.example/', allow: ['hooks.internal.example'], open: false },
    { url: 'https://hooks.internal.example/', allow: ['10.0.0.0/8'], open: true },
    { url: 'https://hooks.internal.example/', allow: ['10.1.0.0/16'], open: false },
  ])('a private one of $url is given if allow lists it: $allow, $open', ({ url, allow, open }) => {
    const { found } = lookedUp(url, ['10.0.0.1'], { allow });

    expect(found).toEqual(open ? [{ address: '10.0.0.1', family: 4 }] : '');
  });

  test('for plain http only those of this machine are given, and those that allow lists', () => {
    const all = ['93.184.216.34', '10.0.0.1', '127.0.0.1'];
    const found = (url: string, allow: readonly string[] = []) => lookedUp(url, all, { insecure: true, allow }).found;

    expect(found('http://x.example/')).toEqual([{ address: '127.0.0.1', family: 4 }]);
    expect(found('http://x.example/', ['10.0.0.0/8'])).toHaveLength(2);
    expect(found('http://x.example/', ['x.example'])).toHaveLength(3);
    expect(found('https://x.example/')).toHaveLength(3);
    expect(lookedUp('http://x.example/', ['93.184.216.34'], { insecure: true }).error).toMatchObject({
      message: 'resolves to a public address: use https',
    });
  });

  test('those of metadata are given to no one, not even to a host that is listed', () => {
    const { error } = lookedUp('https://x.example/', ['fd00:ec2::254'], {
      insecure: true,
      allow: ['x.example', '::/0'],
    });

    expect(error).toMatchObject({ message: 'resolves to a metadata address of a cloud, which is never allowed' });
  });
});

test('a lookup that fails keeps its error', () => {
  const failure = Object.assign(new Error('getaddrinfo'), { code: 'ENOTFOUND' });
  const given: unknown[] = [];
  const lookup = createGuard({}).lookup(new URL('https://x.example'), (_, __, callback) => callback(failure, ''));

  lookup('x.example', {}, (error) => given.push(error));

  expect(given).toEqual([failure]);
});
