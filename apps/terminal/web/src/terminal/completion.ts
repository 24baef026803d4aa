/** What Tab does with the options the service gives. Pure. */

import type { Completion } from "../wire/terminal.ts";

export interface Line {
  readonly text: string;
  readonly cursor: number;
}

/** The line with the word before the cursor, from `start`, replaced by `option`. */
export function accepted(line: Line, start: number, option: string): Line {
  const isFolder = option.endsWith("/");
  const rest = line.text.slice(line.cursor);
  const gap = isFolder || rest.startsWith(" ") ? "" : " ";
  const head = line.text.slice(0, start) + option + gap;
  return { text: head + rest, cursor: head.length };
}

export type TabResult =
  | { readonly kind: "nothing" }
  | { readonly kind: "insert"; readonly line: Line }
  | {
      readonly kind: "choose";
      readonly line: Line;
      readonly start: number;
      readonly options: readonly string[];
    };

/** One option is inserted; several first add what they share, then are shown to choose from. */
export function completed(line: Line, { start, options }: Completion): TabResult {
  const [only, ...others] = options;
  if (only === undefined) return { kind: "nothing" };
  if (others.length === 0) return { kind: "insert", line: accepted(line, start, only) };
  const shared = sharedStart(options);
  const typed = line.text.slice(start, line.cursor);
  if (shared.length <= typed.length) return { kind: "choose", line, start, options };
  const head = line.text.slice(0, start) + shared;
  const longer = { text: head + line.text.slice(line.cursor), cursor: head.length };
  return { kind: "choose", line: longer, start, options };
}

function sharedStart(options: readonly string[]): string {
  return options.reduce((shared, option) => {
    let length = 0;
    while (length < shared.length && shared[length] === option[length]) length += 1;
    return shared.slice(0, length);
  });
}
