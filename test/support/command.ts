import { run } from '../../lib/cli/run.ts';
import type { Terminal } from '../../lib/cli/terminal.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Around {
  readonly env?: Terminal['env'];
  readonly stdin?: string | Uint8Array;
  readonly nowMs?: number;
  /** Standard output and error are a terminal of 100 columns. */
  readonly isTerminal?: boolean;
}

/** Run a command as the shell would, in this process, with streams that are kept. */
export async function command(args: readonly string[], around: Around = {}): Promise<Ran> {
  const out = { stdout: '', stderr: '' };
  const output = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      out[name] += text;
    },
    ...(around.isTerminal === true && { isTTY: true, columns: 100 }),
  });
  async function* stdin() {
    if (around.stdin !== undefined) yield Buffer.from(around.stdin);
  }
  const code = await run(args, {
    env: around.env ?? {},
    stdin: Object.assign(stdin(), { isTTY: around.stdin === undefined }),
    stdout: output('stdout'),
    stderr: output('stderr'),
    nowMs: () => around.nowMs ?? Date.UTC(2026, 10, 2, 8),
  });
  return { code, ...out };
}
