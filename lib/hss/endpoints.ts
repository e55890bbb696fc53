import { InputError } from '../core/errors.ts';

/** The one region whose hosts end in `.eu`; all others, in China and abroad, share `.com`. */
const euRegions = new Set(['eu-west-101']);

/**
 * `https://hss.{region}.myhuaweicloud.com`. Regions are not checked against a list, which would be too old one day.
 * @param override for partner clouds and tests: scheme and host, http on loopback only
 * @throws {InputError}
 */
export function hssEndpoint(region: string, override?: string): URL {
  return override === undefined ? serviceHost('hss', region) : endpoint(override);
}

/** `https://iam.{region}.myhuaweicloud.com`. @throws {InputError} */
export function iamEndpoint(region: string, override?: string): URL {
  return override === undefined ? serviceHost('iam', region) : endpoint(override);
}

function serviceHost(service: 'hss' | 'iam', region: string): URL {
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(region)) {
    throw new InputError(`region: ${JSON.stringify(region)}: not the id of a region, such as ap-southeast-1`);
  }
  return new URL(`https://${service}.${region}.myhuaweicloud.${euRegions.has(region) ? 'eu' : 'com'}`);
}

function endpoint(text: string): URL {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new InputError('endpoint: not an http(s) URL');
  if (url.username + url.password + url.search + url.hash !== '' || url.pathname !== '/') {
    throw new InputError(`endpoint: ${url.host}: only a scheme and a host, such as https://hss.example.com`);
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new InputError(`endpoint: ${url.host}: http is for loopback only; use https`);
  }
  return url;
}

/** @param hostname as in a URL, where every way to write an IPv4 address has become its four numbers */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
