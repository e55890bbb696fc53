const maxText = 2000;

/** A text of a report as it is kept: at most 2,000 characters, then a sign that there was more. Cut once, it stays. */
export function cutText(text: string): string {
  return text.length <= maxText ? text : `${text.slice(0, maxText).toWellFormed()}…`;
}
