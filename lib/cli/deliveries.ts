import { loadDeadLetters } from '../app/dead-letter-store.ts';
import { overview } from '../app/overview.ts';
import { discardDeadLetters, replayDeadLetters } from '../app/replay.ts';
import { formatDuration } from '../core/duration.ts';
import { InputError } from '../core/errors.ts';
import { logLine } from '../core/render/escape.ts';
import { plural } from '../core/render/words.ts';
import { hint } from '../core/suggest.ts';
import { parseOptions, timeOption } from './options.ts';
import { withStore } from './store.ts';
import type { Terminal } from './terminal.ts';

export const deliveriesHelp = `portcullis deliveries list             what receivers are owed, and the dead letters
portcullis deliveries replay [ID ...]  send dead letters once more, with the ids they had; without an ID all of them
portcullis deliveries discard ID ...   throw dead letters away

A message that a receiver does not take is sent again by every scan, for owed_for (3 days unless the config says otherwise);
then it is a dead letter, and the receivers are told so until it is sent or discarded. Alerts are told as they are now: what the
receiver has heard of since is not sent, nor what is over by now and it never heard of.

  --config FILE    default: portcullis.yaml

Exit code: 0 done, 2 something could not be delivered, 3 invalid input, 4 internal error.
`;

/** @returns the exit code @throws {InputError} */
export async function deliveriesCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parseOptions('deliveries', args, {
    config: { type: 'string' },
    now: { type: 'string' },
  });
  const nowMs = timeOption('--now', values.now) ?? terminal.nowMs();
  const [action, ...ids] = positionals;
  const say = (line: string) => terminal.stdout.write(`${logLine(line)}\n`);
  const ago = (ms: number) => `${formatDuration(nowMs - ms)} ago`;
  if (action === 'replay') {
    let code = 0;
    await withStore(values.config, terminal, async (store, app) => {
      const { delivered, outdated, failures } = await replayDeadLetters(store, await app.notifiers(), ids, nowMs);
      say(`${delivered} delivered, ${failures.length} not`);
      if (outdated > 0) say(`${outdated} not sent, since nothing of it is so any more, or all was heard since`);
      for (const failure of failures) say(`not done: ${failure}`);
      code = failures.length > 0 ? 2 : 0;
    });
    return code;
  }
  if (action === 'discard') {
    if (ids.length === 0) throw new InputError('deliveries discard: needs the ID of each letter, as list shows it');
    await withStore(values.config, terminal, async (store) => {
      say(`${await discardDeadLetters(store, ids, nowMs)} discarded`);
    });
    return 0;
  }
  if (action !== 'list' || ids.length > 0) {
    const known = ['list', 'replay', 'discard'];
    throw new InputError(`deliveries: there is no ${positionals.join(' ')}${hint(action ?? '', known)}`);
  }
  await withStore(values.config, terminal, async (store, _app, { sources, receivers }) => {
    const names = [sources.map(({ name }) => name), receivers.map(({ name }) => name)] as const;
    let owed = 0;
    for (const { clusterName, logs } of await overview(store, ...names, nowMs)) {
      for (const [receiver, log] of logs) {
        if (log.claim !== undefined) {
          owed++;
          const leftMs = log.claim.untilMs - nowMs;
          const state = leftMs > 0 ? 'it is being sent' : 'a run that sent it died, and the next one sends it again';
          say(`owed  ${receiver}  about ${clusterName}, whether it was taken is not known yet: ${state}`);
        }
        if (log.owed === undefined) continue;
        owed++;
        say(
          `owed  ${receiver}  about ${clusterName}, since ${ago(log.owed.sinceMs)}, ${plural(log.owed.attempts, 'attempt')}: ${log.owed.reason}`,
        );
      }
    }
    const letters = await loadDeadLetters(store, nowMs);
    for (const { receiver, notice, atMs, attempts, reason } of letters) {
      say(`dead  ${receiver}  ${notice.id}, given up ${ago(atMs)} after ${plural(attempts, 'attempt')}: ${reason}`);
    }
    if (owed + letters.length === 0) say('nothing is owed, and there are no dead letters');
  });
  return 0;
}
