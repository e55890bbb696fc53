import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { StateStore } from '../../lib/app/state.ts';
import { createHttp } from '../../lib/http/request.ts';
import { createWebhookNotifier } from '../../lib/notifiers/webhook.ts';
import { startReceiver } from '../../lib/simulator/receivers.ts';
import { createDynamoStore } from '../../lib/stores/dynamodb.ts';
import { openSqliteStore } from '../../lib/stores/sqlite.ts';
import { type Dynamo, startDynamo } from '../support/dynamo.ts';
import { temporaryFolder } from '../support/stores.ts';
import { type Story, stageOf, timeOf } from '../support/story.ts';
import { stories } from './stories.ts';

/** Those in which the most happens to stores and receivers. */
const names = [
  'an alert is new, worse, resolved, reopened and new again',
  'first looks are told in one message, later ones with what changed',
  'a cluster and then HSS itself are gone for a while',
  'each group has an alert of its own',
  'a silence mutes, and what it muted speaks when it ends',
  'a receiver is down, and the others hear of it',
];

const http = createHttp();
const open: StateStore[] = [];
let dynamo: Dynamo;
beforeAll(async () => {
  dynamo = await startDynamo();
});
afterEach(() => Promise.all(open.splice(0).map((store) => store.close())));
afterAll(() => Promise.all([dynamo.close(), http.close()]));

/** Opens the same store anew each time, as every run of a command does. */
async function storeOf(kind: string): Promise<() => Promise<StateStore>> {
  if (kind === 'SQLite') {
    const file = join(await temporaryFolder(), 'state.db');
    return () => openSqliteStore(file);
  }
  const table = await dynamo.createTable();
  return async () => createDynamoStore({ ...dynamo.access, table });
}

/** A store that is opened for each run and closed after it. */
function reopened(open: () => Promise<StateStore>): StateStore {
  const once = async <T>(use: (store: StateStore) => Promise<T>): Promise<T> => {
    const store = await open();
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  };
  return {
    load: (group, prefix, nowMs) => once((store) => store.load(group, prefix, nowMs)),
    put: (group, record, over, nowMs) => once((store) => store.put(group, record, over, nowMs)),
    remove: (group, key, over) => once((store) => store.remove(group, key, over)),
    close: async () => {},
  };
}

describe.each(['SQLite', 'DynamoDB'])('over %s and HTTP', (kind) => {
  test.each(stories.filter(({ name }) => names.includes(name)))(
    '$name',
    async (story: Story) => {
      const stage = stageOf(story, reopened(await storeOf(kind)));
      const servers = new Map(
        await Promise.all(
          [...stage.world.receivers].map(async ([name, scripted]) => {
            const server = await startReceiver();
            const notifier = createWebhookNotifier({
              receiver: name,
              url: new URL(`${server.url}/in`),
              http,
              clock: { nowMs: Date.now, sleep: async () => {} },
              random: () => 0,
            });
            // The message goes over the wire; what was taken there is heard.
            scripted.deliver = async (notice, nowMs, signal) => {
              const refuses = scripted.usual === 'refuse';
              for (let i = 0; refuses && i < 4; i++) server.script.push({ status: 503 });
              await notifier.deliver(notice, nowMs, signal);
              scripted.accepted.push(notice);
              return undefined;
            };
            return [name, server] as const;
          }),
        ),
      );
      try {
        for (const [i, step] of story.steps.entries()) {
          await stage.enter(i);
          await stage.run(timeOf(step.at));
          expect(stage.world.heard(), `step ${i}`).toEqual(step.hears);
        }
        for (const [name, server] of servers) {
          const taken = server.received
            .filter(({ status }) => status === 200)
            .map(({ headers }) => headers['webhook-id']);
          expect(taken).toEqual(stage.world.receivers.get(name)?.accepted.map(({ id }) => id));
          expect(new Set(taken).size).toBe(taken.length);
        }
      } finally {
        await Promise.all([...servers.values()].map((server) => server.close()));
      }
    },
    60_000,
  );
});
