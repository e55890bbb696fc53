/** What an instance writes to both outputs after each call: its answer overtakes what it logged before. */
export const logMark = '\u0004';
