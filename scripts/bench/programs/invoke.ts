import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { answer, args } from './answer.ts';

/**
 * Invoke the handler of a function as Lambda does in one instance: `invoke MODULE EVENT SECONDS TIMES`.
 * `NOW` in the event is the time of each invocation.
 */
const [module, event, seconds, times] = args();

let heapBytes = 0;
const look = () => {
  heapBytes = Math.max(heapBytes, process.memoryUsage().heapTotal);
};
setInterval(look, 5).unref();

type Handler = (event: unknown, context: object) => Promise<unknown>;
const { handler } = (await import(pathToFileURL(module).href)) as { handler: Handler };
let value: unknown;
for (let i = 0; i < Number(times); i++) {
  const endMs = Date.now() + Number(seconds) * 1000;
  value = await handler(JSON.parse(event.replaceAll('NOW', new Date().toISOString())), {
    awsRequestId: `bench-${i}`,
    getRemainingTimeInMillis: () => endMs - Date.now(),
  });
}
look();
answer({ value, heapMiB: heapBytes / 2 ** 20 });
