import chain, { none } from 'stream-chain';
import parseFile from 'stream-json/file/parser.js';
import { answer, args } from './answer.ts';
import { RowEvents } from './row-events.ts';
import { type RuleSet, tallyOf } from './tally.ts';

/**
 * Tokens rather than `pick` and `streamValues`, and values whole rather than in pieces: of what stream-json offers, the
 * fastest.
 */
const [file, rules] = args();
const tally = tallyOf(rules as RuleSet);
const events = new RowEvents(tally);

type Token = { readonly name: string; readonly value?: unknown };

function take({ name, value }: Token): typeof none {
  switch (name) {
    case 'startObject':
      events.startObject();
      break;
    case 'startArray':
      events.startArray();
      break;
    case 'endObject':
    case 'endArray':
      events.end();
      break;
    case 'keyValue':
      events.key(value as string);
      break;
    case 'numberValue':
      events.value(Number(value));
      break;
    default:
      events.value(value);
  }
  return none;
}

const pipeline = chain([parseFile({ streamValues: false, readBlockSize: 256 * 1024 }), take]);
pipeline.on('data', () => {});
pipeline.on('end', () => answer(tally.found));
pipeline.end(file);
