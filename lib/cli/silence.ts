import { addSilence, expireSilence, loadSilences, type Silence } from '../app/silences.ts';
import type { StateStore } from '../app/state.ts';
import { InputError } from '../core/errors.ts';
import { logLine } from '../core/render/escape.ts';
import { hint } from '../core/suggest.ts';
import { durationOption, parseOptions, timeOption } from './options.ts';
import { withStore } from './store.ts';
import type { Terminal } from './terminal.ts';

export const silenceHelp = `portcullis silence add --where CEL --for TIME|--until TIME --author NAME --comment TEXT
portcullis silence list
portcullis silence expire ID

Mutes messages about the alerts that match, for a time. The alerts stay, and a gate still fails. That it is about to end is
told ahead, and what it muted speaks when it is over.

  --where CEL      over severity, cluster, source, rule and on: 'cluster == "prod-us" && rule == "no-high"'
  --for TIME       7d, 12h
  --until TIME     2026-12-01T08:00:00Z
  --author NAME    who answers for it
  --comment TEXT   why
  --config FILE    default: portcullis.yaml

Exit code: 0 done, 3 invalid input, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function silenceCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseOptions('silence', args, {
    where: { type: 'string' },
    for: { type: 'string' },
    until: { type: 'string' },
    author: { type: 'string' },
    comment: { type: 'string' },
    config: { type: 'string' },
    now: { type: 'string' },
  });
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  const [action, id, ...more] = positionals;
  if (more.length > 0) throw new InputError(`silence: unexpected argument ${more[0]}`);
  const say = (line: string): void => {
    terminal.stdout.write(`${logLine(line)}\n`);
  };
  const inStore = (work: (store: StateStore) => Promise<void>) => withStore(values.config, terminal, work);
  switch (action) {
    case 'add': {
      if (values.where === undefined) throw new InputError('silence add: needs --where');
      const forMs = durationOption('--for', values.for);
      const untilMs = timeOption('--until', values.until) ?? (forMs === undefined ? undefined : nowMs + forMs);
      if (untilMs === undefined || (forMs !== undefined && values.until !== undefined)) {
        throw new InputError('silence add: needs either --for or --until');
      }
      const { where, author = '', comment = '' } = values;
      await inStore(async (store) =>
        say(lineOf(await addSilence(store, { where, author, comment, untilMs }, nowMs), nowMs)),
      );
      return 0;
    }
    case 'list':
      await inStore(async (store) => {
        const silences = [...(await loadSilences(store, nowMs))].sort((a, b) => b.untilMs - a.untilMs);
        for (const silence of silences) say(lineOf(silence, nowMs));
        if (silences.length === 0) say('there are no silences');
      });
      return 0;
    case 'expire':
      if (id === undefined) throw new InputError('silence expire: needs the ID of a silence; silence list tells them');
      await inStore(async (store) => say(lineOf(await expireSilence(store, id, nowMs), nowMs)));
      return 0;
    default:
      throw new InputError(
        `silence: ${action === undefined ? 'what to do is missing' : `there is no ${action}`}${hint(action ?? '', ['add', 'list', 'expire'])}`,
      );
  }
}

function lineOf({ id, where, author, comment, untilMs }: Silence, nowMs: number): string {
  const until = new Date(untilMs).toISOString();
  return `${id}  ${untilMs > nowMs ? `until ${until}` : `over since ${until}`}  ${author}: ${comment}  where ${where}`;
}
