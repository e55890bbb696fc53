import { dirname, resolve } from 'node:path';
import { compileExpression, isProblem } from '../core/expression.ts';
import { type RouteTable, routeFields } from '../core/routes.ts';
import { isS3 } from '../core/s3-location.ts';
import { hint } from '../core/suggest.ts';
import { checkSchema, type Issue, readYaml, sortIssues, type YamlFile } from '../core/yaml.ts';
import { type Alerts, ConfigFile, type Policies, type Receiver, type Source } from './schema.ts';

/** What is shared by way of the state is kept so long. */
const keptForMs = 7 * 86_400_000;

/** A config that can be run: every name known, every path absolute. */
export interface Config {
  /** Their `policy` is an absolute path, or `s3://BUCKET/KEY`. */
  readonly sources: readonly Source[];
  readonly receivers: readonly Receiver[];
  readonly routes: RouteTable;
  readonly limits: ConfigFile['limits'];
  readonly heartbeat: ConfigFile['heartbeat'];
  readonly alerts: Alerts;
  readonly policies: Policies;
  /** `to` is `s3://BUCKET/PREFIX`, or a path that is relative to `folder`. */
  readonly pages: ConfigFile['pages'];
  /** `sqlite:PATH`, `dynamodb:TABLE` or `memory:`; the path is relative to `folder`. */
  readonly state: string;
  /** Where the config is; an absolute path. */
  readonly folder: string;
  readonly secretsMaxAgeMs: number;
}

export type ParsedConfig =
  | { readonly config: Config; readonly issues: [] }
  | { readonly config?: undefined; readonly issues: readonly Issue[] };

/** Read a config file. Every issue in it is reported, by line. @param file its path; paths in it are relative to it */
export function parseConfig(text: string, file: string): ParsedConfig {
  const { yaml, issues: syntax } = readYaml(text, file, false);
  if (yaml === undefined) return { issues: syntax.map(withoutText) };
  const { value, issues: schema } = checkSchema(yaml, ConfigFile, false);
  if (value === undefined) return { issues: sortIssues(schema).map(withoutText) };
  const { routes, issues } = checkParts(yaml, value);
  if (issues.length > 0) return { issues: sortIssues(issues).map(withoutText) };
  const folder = dirname(resolve(file));
  return {
    issues: [],
    config: {
      sources: value.sources.map((source) => ({
        ...source,
        policy: isS3(source.policy) ? source.policy : resolve(folder, source.policy),
      })),
      receivers: value.receivers,
      routes,
      limits: value.limits,
      heartbeat: value.heartbeat,
      alerts: value.alerts,
      policies: value.policies,
      pages: value.pages,
      state: value.state,
      folder,
      secretsMaxAgeMs: value.secrets_max_age,
    },
  };
}

/** No line of a config is shown back, and no value: a secret may stand there, in place of a reference. */
function withoutText(issue: Issue): Issue {
  return { ...issue, text: '' };
}

function checkParts(yaml: YamlFile, value: ConfigFile): { routes: RouteTable; issues: Issue[] } {
  const issues: Issue[] = [];
  for (const key of ['sources', 'receivers'] as const) {
    const seen = new Set<string>();
    for (const [i, { name }] of value[key].entries()) {
      if (seen.has(name)) issues.push(yaml.issue([key, i, 'name'], `${key}[${i}].name: ${name} is there twice`));
      seen.add(name);
    }
  }
  for (const [i, source] of value.sources.entries()) {
    for (const key of ['endpoint', 'iam_endpoint'] as const) {
      const url = source[key];
      if (url !== undefined && !isSecureOrLoopback(url)) {
        issues.push(yaml.issue(['sources', i, key], `sources[${i}].${key}: http is for loopback only; use https`));
      }
    }
  }
  const { max_age: maxAgeMs, usable_for: usableForMs } = value.policies;
  if (usableForMs < maxAgeMs || usableForMs > keptForMs) {
    const message = 'policies.usable_for: has to be at least max_age, and 7d at most';
    issues.push(yaml.issue(['policies', 'usable_for'], message));
  }
  for (const [i, receiver] of value.receivers.entries()) issues.push(...checkReceiver(yaml, receiver, i));
  const known = value.receivers.map((receiver) => receiver.name);
  const routes = value.routes.map((route, i): RouteTable[number] => {
    for (const [j, name] of route.receivers.entries()) {
      if (known.includes(name)) continue;
      issues.push(
        yaml.issue(
          ['routes', i, 'receivers', j],
          `routes[${i}].receivers: there is no such receiver${hint(name, known)}`,
        ),
      );
    }
    const { receivers, continue: continues } = route;
    if (route.when === undefined) return { when: undefined, receivers, continues };
    const compiled = compileExpression(routeFields, route.when);
    if (!isProblem(compiled)) return { when: compiled, receivers, continues };
    issues.push(yaml.issue(['routes', i, 'when'], `routes[${i}].when: ${compiled.message}`, compiled));
    return { when: undefined, receivers: [], continues };
  });
  if (value.receivers.length > 0 && !value.routes.some((route) => route.when === undefined && !route.continue)) {
    issues.push(
      yaml.issue(['routes'], 'routes: a catch-all is required: a last route without when, or alerts are lost'),
    );
  }
  const catchAll = value.routes.findIndex((route) => route.when === undefined && !route.continue);
  if (catchAll >= 0 && catchAll < value.routes.length - 1) {
    issues.push(
      yaml.issue(
        ['routes', catchAll + 1],
        `routes[${catchAll + 1}]: is never reached: routes[${catchAll}] takes everything`,
      ),
    );
  }
  const routed = new Set(value.routes.flatMap((route) => route.receivers));
  for (const [i, name] of known.entries()) {
    if (!routed.has(name))
      issues.push(yaml.issue(['receivers', i, 'name'], `receivers[${i}]: no route leads to ${name}`));
  }
  return { routes, issues };
}

function checkReceiver(yaml: YamlFile, receiver: Receiver, i: number): Issue[] {
  const types = [receiver.slack, receiver.webhook].filter((type) => type !== undefined).length;
  if (types !== 1) {
    return [
      yaml.issue(
        ['receivers', i],
        `receivers[${i}]: ${receiver.name} has to be one of slack and webhook, and is ${types === 0 ? 'neither' : 'both'}`,
      ),
    ];
  }
  // Which addresses a name has shows when it is connected to.
  if (receiver.insecure || !receiver.webhook?.url.startsWith('http:')) return [];
  const advice = 'use https, or say insecure: true for a loopback address or one that allow lists';
  return [yaml.issue(['receivers', i, 'webhook', 'url'], `receivers[${i}].webhook.url: is plain http; ${advice}`)];
}

/** https anywhere; http at 127.0.0.0/8, [::1] or localhost. */
export function isSecureOrLoopback(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/.test(hostname);
}
