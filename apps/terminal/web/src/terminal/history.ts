/** A terminal's earlier commands: walking through them and searching them. Pure. */

/** Commands kept for walking; the oldest are forgotten. */
const CAPACITY = 1000;

/** The history with `command` as its newest entry; each command is in it once. */
export function remembered(history: readonly string[], command: string): readonly string[] {
  if (command.trim() === "" || history.at(-1) === command) return history;
  return [...history.filter((entry) => entry !== command), command].slice(-CAPACITY);
}

/** A walk through earlier commands that begin with what was typed. */
export interface Walk {
  /** What was typed before the walk began. */
  readonly draft: string;
  /** The entry shown; the history's length while the draft is. */
  readonly at: number;
}

/** The walk one step back in time (`-1`) or forth (`1`); nothing if there is no such entry. */
export function stepped(
  history: readonly string[],
  walk: Walk,
  step: -1 | 1,
): { readonly walk: Walk; readonly text: string } | undefined {
  const shown = history[walk.at] ?? walk.draft;
  for (let at = walk.at + step; at >= 0 && at < history.length; at += step) {
    const entry = history[at] ?? "";
    if (entry.startsWith(walk.draft) && entry !== shown)
      return { walk: { ...walk, at }, text: entry };
  }
  if (step === 1 && walk.at < history.length) {
    return { walk: { ...walk, at: history.length }, text: walk.draft };
  }
  return undefined;
}

/** Matches for a search, newest first, each once; every word of the query must occur. */
export function searched(
  history: readonly string[],
  query: string,
  limit: number,
): readonly string[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = new Set<string>();
  for (let at = history.length - 1; at >= 0 && found.size < limit; at -= 1) {
    const entry = history[at] ?? "";
    if (words.every((word) => entry.toLowerCase().includes(word))) found.add(entry);
  }
  return [...found];
}
