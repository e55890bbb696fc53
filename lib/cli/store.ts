import type { StateStore } from '../app/state.ts';
import { type App, compose, loadConfig } from '../compose.ts';
import type { Config } from '../config/parse.ts';
import { logTo } from './log.ts';
import type { Terminal } from './terminal.ts';

/** Do something with the memory of alerts that a config names. @throws {InputError} */
export async function withStore(
  configFile: string | undefined,
  terminal: Terminal,
  work: (store: StateStore, app: App, config: Config) => Promise<void>,
): Promise<void> {
  const config = await loadConfig(configFile ?? 'portcullis.yaml');
  const app = await compose(config, { env: terminal.env, log: logTo(terminal.stderr) });
  try {
    await work(await app.store(), app, config);
  } finally {
    await app.close();
  }
}
