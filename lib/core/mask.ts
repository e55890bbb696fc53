/**
 * A command line without the values in it, since passwords and tokens stand there: the program and the names of
 * options stay, every value becomes `***`. Nothing is guessed about which value is a secret.
 *
 * `mysql -phunter2 --user=app db` -> `mysql -p*** --user=*** ***`
 */
export function maskCommand(command: string): string {
  const [program = '', ...args] = command.slice(0, 4096).trim().split(/\s+/u);
  const masked = [maskProgram(program), ...args.map(maskArgument)];
  // A run of masked values says no more than one of them.
  return masked.filter((word, i) => !(word === hidden && masked[i - 1] === hidden)).join(' ');
}

const hidden = '***';

function maskProgram(word: string): string {
  return /^[\w./@+:-]{0,200}$/u.test(word) && !/\/\/|@/u.test(word) ? word : hidden;
}

function maskArgument(word: string): string {
  const long = /^--[A-Za-z][\w.-]{0,63}(?==|$)/u.exec(word);
  if (long) return long[0].length === word.length ? word : `${long[0]}=${hidden}`;
  const short = /^-[A-Za-z]/u.exec(word);
  if (short) return word.length === 2 ? word : `${short[0]}${hidden}`;
  return hidden;
}
