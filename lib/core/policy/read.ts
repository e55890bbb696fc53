import { InputError } from '../errors.ts';
import { preparePatterns } from '../pattern.ts';
import { formatIssue, type Issue } from '../yaml.ts';
import { type Policy, parsePolicy } from './parse.ts';

/**
 * The policy that a text is.
 * @param name where the text is from; stands in messages
 * @param quotes whether messages may quote the text: not where it may be anything but a policy
 * @throws {InputError} every issue in it, with its place
 */
export async function readPolicy(text: string, name: string, quotes = true): Promise<Policy> {
  const plain = text.replace(/^\ufeff/, '');
  await preparePatterns(plain);
  const { policy, issues } = parsePolicy(plain, name, quotes);
  if (policy !== undefined) return policy;
  const shown = quotes ? issues : fewest(issues);
  throw new InputError(`invalid policy\n${shown.map(formatIssue).join('\n')}${more(issues.length - shown.length)}`);
}

/** Without the lines they are about. It goes to wherever news of a source goes, so it is short. */
function fewest(issues: readonly Issue[]): Issue[] {
  return issues.slice(0, 10).map((issue) => ({ ...issue, text: '' }));
}

function more(count: number): string {
  return count > 0 ? `\nand ${count} more` : '';
}
