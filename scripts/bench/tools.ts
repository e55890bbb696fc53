import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a program on the PATH says of itself: `jq-1.6`; undefined when it is not there. */
export async function toolVersion(name: string): Promise<string | undefined> {
  try {
    const { stdout } = await run(name, ['--version']);
    return stdout.split(/ \(|\n/)[0];
  } catch {
    return undefined;
  }
}
