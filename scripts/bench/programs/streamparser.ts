import { createReadStream } from 'node:fs';
import { Tokenizer, TokenType } from '@streamparser/json';
import { answer, args } from './answer.ts';
import { RowEvents } from './row-events.ts';
import { type RuleSet, tallyOf } from './tally.ts';

/** The tokenizer alone, which is faster than `JSONParser` with paths. */
const [file, rules] = args();
const tally = tallyOf(rules as RuleSet);
const events = new RowEvents(tally);
/** A string that is a key if a colon follows, and a value if not. */
let text: string | undefined;

function flush(): void {
  if (text !== undefined) events.value(text);
  text = undefined;
}

const tokenizer = new Tokenizer();
tokenizer.onToken = ({ token, value }) => {
  switch (token) {
    case TokenType.STRING:
      text = value as string;
      break;
    case TokenType.COLON:
      events.key(text as string);
      text = undefined;
      break;
    case TokenType.COMMA:
      flush();
      break;
    case TokenType.LEFT_BRACE:
      events.startObject();
      break;
    case TokenType.LEFT_BRACKET:
      events.startArray();
      break;
    case TokenType.RIGHT_BRACE:
    case TokenType.RIGHT_BRACKET:
      flush();
      events.end();
      break;
    default:
      events.value(value);
  }
};
for await (const piece of createReadStream(file, { highWaterMark: 256 * 1024 })) tokenizer.write(piece);
answer(tally.found);
