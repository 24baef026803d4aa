import {
  type Decoded,
  list,
  literal,
  moment,
  number,
  object,
  optional,
  tagged,
  text,
  withDefault,
} from "./decode.ts";

export const terminal = object({
  id: text,
  title: withDefault(text, ""),
  cwd: withDefault(text, ""),
  last_exit: optional(number),
});

export type Terminal = Decoded<typeof terminal>;

export const terminalList = object({ terminals: list(terminal) });

export const acceptedCommand = object({ job: text });

export const commandHistory = object({ commands: list(text) });

export const completion = object({ start: number, options: list(text) });
export type Completion = Decoded<typeof completion>;

const command = object({
  type: () => "command" as const,
  job: text,
  command: text,
  cwd: withDefault(text, ""),
  at: optional(moment),
});

const status = object({
  type: () => "status" as const,
  job: text,
  state: text,
  detail: optional(text),
});

const output = object({
  type: () => "output" as const,
  job: optional(text),
  data: text,
  encoding: optional(literal("base64")),
});

const notice = object({ type: () => "notice" as const, text });

const exit = object({
  type: () => "exit" as const,
  job: text,
  code: optional(number),
  reason: optional(text),
  signal: optional(text),
  cwd: optional(text),
  duration_s: optional(number),
});

const other = object({ type: () => "other" as const });

/** What `terminal:{project}:{terminal}` carries; kinds of a newer server read as `other`. */
export const terminalEvent = tagged("type", { command, status, output, notice, exit }, other);

export type TerminalEvent = Decoded<typeof terminalEvent>;
export type CommandEvent = Decoded<typeof command>;
export type StatusEvent = Decoded<typeof status>;
export type OutputEvent = Decoded<typeof output>;
export type ExitEvent = Decoded<typeof exit>;
