import { BlockList, isIP, type LookupFunction, SocketAddress } from 'node:net';
import { HttpError } from './errors.ts';

/**
 * `private`: of a network of one's own, loopback included. `special`: of no host that could be meant, such as
 * link-local, multicast, reserved and those that wrap another address. `metadata`: where a cloud gives its guests their
 * credentials.
 */
export type AddressKind = 'public' | 'private' | 'special' | 'metadata';

/** Where a client may connect to; without more than this: https at public addresses. */
export interface Reach {
  /** https at private addresses too; http at those of this machine, and at those that are listed. */
  readonly insecure?: boolean;
  /**
   * Ranges (`10.0.0.0/8`), addresses and exact names of hosts, whatever addresses these have; not those of metadata.
   */
  readonly allow?: readonly string[];
}

/** Keeps a client from connecting to where it may not. */
export interface Guard {
  /** What shows in the URL itself. @throws {HttpError} plain http, or an address */
  check(url: URL): void;
  /** `resolve`, of whose addresses only those are given that the client may connect to; an HttpError if there are none. */
  lookup(url: URL, resolve: LookupFunction): LookupFunction;
}

type Family = 'ipv4' | 'ipv6';

function ranges(family: Family, ...texts: readonly string[]): BlockList {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits = family === 'ipv4' ? 32 : 128] = text.split('/');
    list.addSubnet(address, Number(bits), family);
  }
  return list;
}

const metadataV4 = [
  '169.254.169.254', // Huawei Cloud, AWS, Azure, Google and others
  '169.254.170.2', // AWS: credentials of a container
  '169.254.170.23', // AWS: credentials of a pod
  '100.100.100.200', // Alibaba
  '168.63.129.16', // Azure
  '192.0.0.192', // Oracle
];

const loopback = { ipv4: ranges('ipv4', '127.0.0.0/8'), ipv6: ranges('ipv6', '::1') };

/** Every range of an address family in a list of its own: a list compares an IPv4 address with IPv6 ranges too. */
const v4 = {
  metadata: ranges('ipv4', ...metadataV4),
  private: ranges('ipv4', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', '100.64.0.0/10'),
  special: ranges(
    'ipv4',
    '0.0.0.0/8', // "this network"
    '169.254.0.0/16', // link-local
    '192.0.0.0/24', // protocol assignments
    '192.0.2.0/24', // documentation
    '192.88.99.0/24', // relays of 6to4
    '198.18.0.0/15', // benchmarking
    '198.51.100.0/24', // documentation
    '203.0.113.0/24', // documentation
    '224.0.0.0/4', // multicast
    '240.0.0.0/4', // class E, broadcast
  ),
};

const v6 = {
  metadata: ranges(
    'ipv6',
    'fd00:ec2::254', // AWS
    'fd00:ec2::23', // AWS: credentials of a pod
    'fd20:ce::254', // Google
    // The same by way of a translator.
    ...metadataV4.flatMap((address) => [`64:ff9b::${address}`, `::${address}`, `2002:${hexOf(address)}::/48`]),
  ),
  private: ranges('ipv6', '::1', 'fc00::/7'),
  /** All that is assigned; what lies outside (NAT64, link-local, multicast, ...) is special. */
  global: ranges('ipv6', '2000::/3'),
  special: ranges(
    'ipv6',
    '2001::/23', // protocol assignments: Teredo, benchmarking, ORCHID
    '2001:db8::/32', // documentation
    '2002::/16', // 6to4
    '3fff::/20', // documentation
  ),
};

/**
 * @param address as a resolver gives it; an IPv4 address mapped into IPv6 is what it maps, and text that is no address is
 *   special
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 * @see https://www.iana.org/assignments/iana-ipv6-special-registry
 */
export function addressKind(address: string): AddressKind {
  const plain = plainAddress(address);
  if (plain === undefined) return 'special';
  const { text, family } = plain;
  const lists = family === 'ipv4' ? v4 : v6;
  if (lists.metadata.check(text, family)) return 'metadata';
  if (lists.private.check(text, family)) return 'private';
  if (lists.special.check(text, family)) return 'special';
  return family === 'ipv4' || v6.global.check(text, family) ? 'public' : 'special';
}

export function createGuard({ insecure = false, allow = [] }: Reach): Guard {
  const isAddress = (entry: string) => isIP(entry.split('/')[0] ?? '') !== 0;
  const hosts = new Set(allow.filter((entry) => !isAddress(entry)).map(exactHost));
  const listed = {
    ipv4: ranges('ipv4', ...allow.filter((entry) => isAddress(entry) && !entry.includes(':'))),
    ipv6: ranges('ipv6', ...allow.filter((entry) => isAddress(entry) && entry.includes(':'))),
  };

  function isListed(url: URL, address: string): boolean {
    const plain = plainAddress(address);
    if (plain === undefined) return false;
    return hosts.has(exactHost(url.hostname)) || listed[plain.family].check(plain.text, plain.family);
  }

  /** Why not; undefined where the client may connect. */
  function problem(url: URL, address: string): string | undefined {
    const kind = addressKind(address);
    if (kind === 'metadata') return 'a metadata address of a cloud, which is never allowed';
    if (isListed(url, address)) return undefined;
    const isSecure = url.protocol === 'https:';
    if (kind === 'public') return isSecure ? undefined : 'a public address: use https';
    const isOpen = insecure && kind === 'private' && (isSecure || isLoopback(address));
    return isOpen ? undefined : 'a private address that allow does not list';
  }

  return {
    check(url) {
      if (url.protocol !== 'https:' && !insecure) throw refusal('plain http: use https, or say insecure: true');
      const literal = url.hostname.replace(/^\[(.*)\]$/, '$1');
      const why = isIP(literal) === 0 ? undefined : problem(url, literal);
      if (why !== undefined) throw refusal(`is ${why}`);
    },
    lookup(url, resolve) {
      return (name, options, callback) =>
        resolve(name, { ...options, all: true }, (error, found, family = 0) => {
          if (error) return callback(error, '');
          const all = typeof found === 'string' ? [{ address: found, family }] : found;
          const problems = all.map(({ address }) => problem(url, address));
          const good = all.filter((_, i) => problems[i] === undefined);
          const [first] = good;
          if (first === undefined) return callback(refusal(`resolves to ${problems[0] ?? 'no address'}`), '');
          if (options.all) callback(null, good);
          else callback(null, first.address, first.family);
        });
    },
  };
}

function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  return plain !== undefined && loopback[plain.family].check(plain.text, plain.family);
}

/** Not tried again: what a name resolves to, and what a URL says, is somebody's decision. */
function refusal(reason: string): HttpError {
  return new HttpError('connect', reason, { retryable: false });
}

/** Without the dot that a name may end with. */
function exactHost(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** In the one form that ranges are compared with; undefined for text that is no address. */
function plainAddress(address: string): { text: string; family: Family } | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  if (version === 4) return { text: address, family: 'ipv4' };
  // Also drops the zone of a link-local address, with which no range would match.
  const text = new SocketAddress({ address, family: 'ipv6' }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(text)?.[1];
  return mapped === undefined ? { text, family: 'ipv6' } : { text: mapped, family: 'ipv4' };
}

/** The two groups of an IPv6 address that hold an IPv4 address. */
function hexOf(address: string): string {
  const bytes = address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  return `${bytes.slice(0, 2).join('')}:${bytes.slice(2).join('')}`;
}
