/** What a terminal is doing, folded from its events; no DOM, no clock. */

import type { ExitEvent, TerminalEvent } from "../wire/terminal.ts";

/** How the last command ended; no code when it did not end by itself. */
export interface Ending {
  readonly code: number | undefined;
  readonly reason: string | undefined;
  readonly signal: string | undefined;
}

/** A command that was accepted and has not ended. */
export interface ActiveCommand {
  readonly job: string;
  readonly command: string;
  /** Where it is on its way: queued, starting, fetching, running, saving. */
  readonly stage: string;
  readonly detail: string | undefined;
  /** When it was typed, milliseconds since 1970. */
  readonly since: number;
}

export interface TerminalProgress {
  readonly cwd: string;
  readonly ending: Ending | undefined;
  /** In the order they will run; the first one has the screen. */
  readonly active: readonly ActiveCommand[];
}

export const START: TerminalProgress = { cwd: "", ending: undefined, active: [] };

/** The progress after `event`, which arrived at `now`. */
export function afterEvent(
  progress: TerminalProgress,
  event: TerminalEvent,
  now: number,
): TerminalProgress {
  switch (event.type) {
    case "command":
      return {
        ...progress,
        cwd: event.cwd || progress.cwd,
        active: [
          ...progress.active,
          {
            job: event.job,
            command: event.command,
            stage: "queued",
            detail: undefined,
            since: event.at ?? now,
          },
        ],
      };
    case "status":
      return {
        ...progress,
        active: progress.active.map((command) =>
          command.job === event.job
            ? { ...command, stage: event.state, detail: event.detail }
            : command,
        ),
      };
    case "exit":
      return afterExit(progress, event);
    default:
      return progress;
  }
}

function afterExit(progress: TerminalProgress, event: ExitEvent): TerminalProgress {
  return {
    cwd: event.cwd ?? progress.cwd,
    ending: { code: event.code, reason: event.reason, signal: event.signal },
    active: progress.active.filter((command) => command.job !== event.job),
  };
}

/** Whether keys belong to a program: it has started and has not begun to end. */
export function takesKeys(command: ActiveCommand | undefined): boolean {
  return command !== undefined && command.stage !== "saving";
}

/** The wait or the run in words, without its duration. */
export function stageWords(command: ActiveCommand, waitingReason: string | undefined): string {
  switch (command.stage) {
    case "queued":
      return `Waiting for a worker: ${command.detail ?? waitingReason ?? "queued"}`;
    case "starting":
      return `Waiting for a worker: ${command.detail ?? "task starting"}`;
    case "fetching":
      return command.detail ?? "Fetching the project's files";
    case "running":
      return command.detail ?? "Running";
    case "saving":
      return command.detail ?? "Saving changed files";
    default:
      return command.detail ?? command.stage;
  }
}

/** A directory as the prompt shows it: `~` is the project's root. */
export function promptPath(cwd: string): string {
  const relative = cwd.replace(/^(\.|~)?\/?(?=$|[^/])/, (start) =>
    start.startsWith("/") ? start : "",
  );
  if (relative.startsWith("/")) return relative;
  return relative === "" ? "~" : `~/${relative.replace(/\/$/, "")}`;
}
