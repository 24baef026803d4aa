/** The keys of a shell's line editor that a browser's text field lacks. Pure. */

import type { Line } from "./completion.ts";

/** The line after a control key, or nothing if the key is the browser's business. */
export function edited(line: Line, key: string): Line | undefined {
  const { text, cursor } = line;
  const start = text.lastIndexOf("\n", cursor - 1) + 1;
  const end = text.indexOf("\n", cursor) === -1 ? text.length : text.indexOf("\n", cursor);
  switch (key) {
    case "a":
      return { text, cursor: start };
    case "e":
      return { text, cursor: end };
    case "u":
      return { text: text.slice(0, start) + text.slice(cursor), cursor: start };
    case "k":
      return { text: text.slice(0, cursor) + text.slice(end), cursor };
    case "w":
      return withoutWord(line);
    default:
      return undefined;
  }
}

function withoutWord({ text, cursor }: Line): Line {
  const head = text.slice(0, cursor).replace(/\S*\s*$/, "");
  return { text: head + text.slice(cursor), cursor: head.length };
}

/** Whether the cursor is on the first line, where ↑ means the command before. */
export function isOnFirstLine({ text, cursor }: Line): boolean {
  return !text.slice(0, cursor).includes("\n");
}

export function isOnLastLine({ text, cursor }: Line): boolean {
  return !text.slice(cursor).includes("\n");
}
