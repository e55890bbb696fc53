import process from 'node:process';

/** What a measured program was called with. Those that are missing are empty. */
export function args(): [string, string, string, string] {
  const [first = '', second = '', third = '', fourth = ''] = process.argv.slice(2);
  return [first, second, third, fourth];
}

/** What a measured program has to say: one line of JSON on standard output. */
export function answer(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
