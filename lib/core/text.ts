/** The name that a service or an SDK gives an error, if it is a word: anything may stand there, and words hold no secret. */
export function errorWord(name: unknown): string | undefined {
  return typeof name === 'string' && /^[A-Za-z_.]{1,80}$/.test(name) ? name : undefined;
}

const maxText = 2000;

/** A text of a report as it is kept: at most 2,000 characters, then a sign that there was more. Cut once, it stays. */
export function cutText(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText).toWellFormed()}…`;
}
