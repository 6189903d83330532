/** Text in a terminal's columns. For text that went through printable.ts: every character of it is visible. */

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** `text` in at most `columns` columns; an ellipsis stands for what is cut off. */
export function fitColumns(text: string, columns: number): string {
  if (text.length <= columns && /^[ -~]*$/.test(text)) return text;
  if (Bun.stringWidth(text) <= columns) return text;
  let width = 0;
  let fitting = "";
  for (const { segment } of graphemes.segment(text)) {
    width += Bun.stringWidth(segment);
    if (width > columns - 1) break;
    fitting += segment;
  }
  return `${fitting}…`;
}

/** `text` with spaces behind it up to `columns`. */
export function padColumns(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - Bun.stringWidth(text)));
}
