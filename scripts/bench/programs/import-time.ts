import { pathToFileURL } from 'node:url';
import { answer, args } from './answer.ts';

/** How long a fresh process takes to import a module. */
const [file] = args();
const startMs = performance.now();
await import(pathToFileURL(file).href);
answer({ ms: performance.now() - startMs });
