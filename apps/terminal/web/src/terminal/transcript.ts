/** Events as the text a terminal shows. Pure: what depends on the cursor is asked of `Cursor`. */

import { exactDuration } from "@tidegate/ui";
import type { CommandEvent, ExitEvent, OutputEvent, TerminalEvent } from "../wire/terminal.ts";
import { promptPath } from "./progress.ts";

export interface Cursor {
  readonly column: number;
  readonly isAlternate: boolean;
}

/** Text, bytes, or text that depends on where everything before it left the cursor. */
export type Chunk = string | Uint8Array | ((cursor: Cursor) => string);

const PLAIN = "\x1b[0m";
const DIM = "\x1b[90m";
const RED = "\x1b[31m";
const GREEN = "\x1b[32m";
const CYAN = "\x1b[36m";
const BOLD_CYAN = "\x1b[1;36m";
const SHOW_CURSOR = "\x1b[?25h";
const HIDE_CURSOR = "\x1b[?25l";

/** Undo what a program that was killed leaves on: modes, mouse reports, pasting, margins. */
const CALM = `\x1b[!p\x1b[?7h${["1000", "1002", "1003", "1004", "1006", "2004"].map((mode) => `\x1b[?${mode}l`).join("")}`;

/** Seconds from which a success is worth a line of its own. */
const LONG_RUN = 2;

/** What `event` adds to the screen of a terminal of `project`, in order. */
export function transcribed(event: TerminalEvent, project: string): readonly Chunk[] {
  switch (event.type) {
    case "command":
      return [onFreshLine, commandLine(event, project)];
    case "output":
      return [outputOf(event)];
    case "notice":
      return [onFreshLine, remark(event.text)];
    case "exit":
      return [onNormalScreen, onFreshLine, exitLine(event), HIDE_CURSOR];
    default:
      return [];
  }
}

/** A line of the page's own, told apart from output by its grey. */
export function remark(text: string): string {
  return `${PLAIN}${DIM}• ${oneLine(text)}${PLAIN}\r\n`;
}

export function gapRemark(count: number): readonly Chunk[] {
  const events =
    count === 1 ? "1 earlier event is" : `${count.toLocaleString()} earlier events are`;
  return [onFreshLine, remark(`${events} no longer kept`)];
}

/** The cursor belongs to the prompt below the screen until a program runs. */
export const IDLE_CURSOR = HIDE_CURSOR;

function onFreshLine(cursor: Cursor): string {
  return cursor.column > 0 ? "\r\n" : "";
}

function onNormalScreen(cursor: Cursor): string {
  return cursor.isAlternate ? `\x1b[?1049l${CALM}` : CALM;
}

function commandLine(event: CommandEvent, project: string): string {
  const [first = "", ...rest] = event.command.split(/\r?\n/).map(printable);
  const place = `${DIM}${printable(project)} ${BOLD_CYAN}${printable(promptPath(event.cwd))}`;
  const prompt = `${PLAIN}${place}${PLAIN} ${CYAN}❯${PLAIN} `;
  const lines = [`${prompt}${first}`, ...rest.map((line) => `${DIM}…${PLAIN} ${line}`)];
  return `${lines.join("\r\n")}\r\n${SHOW_CURSOR}`;
}

function outputOf(event: OutputEvent): string | Uint8Array {
  if (event.encoding === undefined) return event.data;
  return Uint8Array.from(atob(event.data), (character) => character.charCodeAt(0));
}

function exitLine(event: ExitEvent): string {
  const took = event.duration_s === undefined ? "" : exactDuration(event.duration_s);
  if (event.code === 0 && event.reason === undefined) {
    const isWorthSaying = (event.duration_s ?? 0) >= LONG_RUN;
    return isWorthSaying ? `${GREEN}✓${PLAIN} ${DIM}${took}${PLAIN}\r\n` : "";
  }
  const parts = [endingWords(event), event.reason, took]
    .filter(Boolean)
    .map((part) => oneLine(part ?? ""));
  return `${RED}✗ ${parts[0] ?? ""}${PLAIN}${DIM}${parts
    .slice(1)
    .map((part) => ` · ${part}`)
    .join("")}${PLAIN}\r\n`;
}

/** How a command ended: `exit 1`, `killed by TERM`, `ended without an exit status`. */
export function endingWords(ending: Pick<ExitEvent, "code" | "signal">): string {
  if (ending.signal) return `ended by ${ending.signal.replace(/^SIG/, "")}`;
  if (ending.code === undefined) return "ended without an exit status";
  return `exit ${ending.code}`;
}

function oneLine(text: string): string {
  return printable(text.replace(/\s*[\r\n]+\s*/g, " "));
}

/** Escape sequences in a name or a notice must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, "\ufffd");
}
