/** Wide characters take two columns, marks and our own colour codes none. Close enough to align names. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const c of text.replace(colours, '')) width += marks.test(c) ? 0 : wide.test(c) ? 2 : 1;
  return width;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the colour codes are ours
const colours = /\x1b\[\d+m/g;
const marks = /[\p{Mn}\p{Join_C}]/u;
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}\p{Emoji_Presentation}]/u;

/** Lines of at most `columns`: the first indented by `indent`, the others by `hang`. Words break only if they must. */
export function wrap(text: string, columns: number, indent: number, hang: number): readonly string[] {
  if (indent + displayWidth(text) <= columns) return [' '.repeat(indent) + text];
  const lines: string[] = [];
  let line = ' '.repeat(indent);
  let used = indent;
  let empty = true;

  function breakLine(): void {
    lines.push(line.trimEnd());
    line = ' '.repeat(hang);
    used = hang;
    empty = true;
  }

  for (const word of text.split(' ')) {
    const width = displayWidth(word);
    if (!empty && used + 1 + width > columns) breakLine();
    if (!empty) {
      line += ' ';
      used += 1;
    }
    if (used + width <= columns) {
      line += word;
      used += width;
    } else {
      for (const c of word) {
        const step = displayWidth(c);
        if (used + step > columns) breakLine();
        line += c;
        used += step;
      }
    }
    empty = false;
  }
  lines.push(line.trimEnd());
  return lines;
}
