import { ourselves } from '../app/outbox.ts';
import { overview } from '../app/overview.ts';
import { hearsOfOurselves } from '../app/own-names.ts';
import { loadSilences, silencer } from '../app/silences.ts';
import { loadConfig } from '../compose.ts';
import { InputError } from '../core/errors.ts';
import { logLine } from '../core/render/escape.ts';
import { findingKinds } from '../core/report.ts';
import { type Routed, type RouteTable, routesOf } from '../core/routes.ts';
import { ruleSeverities } from '../core/severity.ts';
import { hint } from '../core/suggest.ts';
import { causes } from '../core/told.ts';
import { parseOptions, timeOption } from './options.ts';
import { withStore } from './store.ts';
import type { Terminal } from './terminal.ts';

export const routesHelp = `portcullis routes explain [OPTIONS]   where an alert would go, and by which route

With any of these an alert like that; without, every alert that fires now:

  --severity NAME     critical, high, medium or low; default: high
  --cluster NAME
  --source NAME
  --rule ID
  --on NAME           vulnerabilities, privileged_containers, ...
  --transition NAME   why it is told: ${causes.join(', ')}; default: new
  --config FILE       default: portcullis.yaml

Exit code: 0 done, 3 invalid input, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function routesCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const text = { type: 'string' } as const;
  const options = {
    severity: text,
    cluster: text,
    source: text,
    rule: text,
    on: text,
    transition: text,
    config: text,
    now: text,
  };
  const { values, positionals } = parseOptions('routes', args, options);
  const [action, ...more] = positionals;
  if (action !== 'explain' || more.length > 0)
    throw new InputError(`routes: there is no ${positionals.join(' ')}${hint(action ?? '', ['explain'])}`);
  const say = (line: string) => terminal.stdout.write(`${logLine(line)}\n`);
  const { severity, cluster, source, rule, on, transition } = values;
  if ([severity, cluster, source, rule, on, transition].some((value) => value !== undefined)) {
    const { routes, receivers } = await loadConfig(values.config ?? 'portcullis.yaml');
    const alert = {
      severity: oneOf('--severity', severity ?? 'high', ruleSeverities),
      cluster: cluster ?? '',
      source: source ?? '',
      rule: rule ?? '',
      on: oneOf('--on', on ?? 'vulnerabilities', findingKinds),
      transition: oneOf('--transition', transition ?? 'new', causes),
    };
    const all = receivers.map(({ name }) => name).filter((name) => hearsOfOurselves(name, alert.cluster));
    const lines = alert.source === ourselves ? [`past all routes: ${all.join(', ')}`] : explain(routes, alert);
    for (const line of lines) say(line);
    return 0;
  }
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  await withStore(values.config, terminal, async (store, _app, { sources, receivers, routes }) => {
    const silenced = silencer(await loadSilences(store, nowMs));
    const names = sources.map(({ name }) => name);
    let told = 0;
    for (const seen of await overview(
      store,
      names,
      receivers.map(({ name }) => name),
      nowMs,
    )) {
      if (!names.includes(seen.source)) continue;
      for (const alert of seen.alerts.filter(({ state }) => state === 'firing')) {
        const silence = silenced(seen.source, seen.clusterName, alert);
        const group = Object.values(alert.group).join(' ');
        say([seen.clusterName, alert.rule || 'cannot be judged', group, alert.severity].filter(Boolean).join('  '));
        for (const line of explain(routes, {
          ...alert,
          source: seen.source,
          cluster: seen.clusterName,
          transition: 'new',
        }))
          say(`  ${line}`);
        if (silence !== undefined && silence.untilMs > nowMs)
          say(`  muted by silence ${silence.id} until ${new Date(silence.untilMs).toISOString()}`);
        told++;
      }
    }
    if (told === 0) say('no alert fires');
  });
  return 0;
}

function explain(routes: RouteTable, alert: Routed): string[] {
  const takes = routesOf(routes, alert);
  if (takes.length === 0) return ['no route takes it'];
  return takes.flatMap((place) => {
    const route = routes[place];
    if (route === undefined) return [];
    const why = route.when === undefined ? 'takes everything' : `when ${route.when.text}`;
    return [`routes[${place}] (${why}): ${route.receivers.join(', ')}`];
  });
}

function oneOf<T extends string>(option: string, word: string, known: readonly T[]): T {
  const found = known.find((one) => one === word);
  if (found === undefined) throw new InputError(`${option} ${word}: is not known${hint(word, known)}`);
  return found;
}
