import {
  acceptedCommand,
  type Completion,
  commandHistory,
  completion,
  type Terminal,
  terminal,
  terminalList,
} from "../wire/terminal.ts";
import { apiPath, ask, send } from "./http.ts";

export interface ScreenSize {
  readonly cols: number;
  readonly rows: number;
}

export async function listTerminals(project: string): Promise<readonly Terminal[]> {
  const answer = await ask(base(project), terminalList);
  return answer.terminals;
}

export function createTerminal(project: string): Promise<Terminal> {
  return ask(base(project), terminal, { method: "POST", json: {} });
}

export async function deleteTerminal(
  project: string,
  id: string,
  keepalive = false,
): Promise<void> {
  await send(base(project, id), { method: "DELETE", keepalive });
}

/** Queue a command; resolves to its job once it is stored. */
export async function runCommand(
  project: string,
  id: string,
  command: string,
  size: ScreenSize,
): Promise<string> {
  const accepted = await ask(`${base(project, id)}/commands`, acceptedCommand, {
    method: "POST",
    json: { command, ...size },
  });
  return accepted.job;
}

export async function killCommand(project: string, id: string): Promise<void> {
  await send(`${base(project, id)}/kill`, { method: "POST", json: {} });
}

export async function readHistory(project: string, id: string): Promise<readonly string[]> {
  const answer = await ask(`${base(project, id)}/history`, commandHistory);
  return answer.commands;
}

export function completeLine(
  project: string,
  id: string,
  line: string,
  cursor: number,
  signal: AbortSignal,
): Promise<Completion> {
  const query = new URLSearchParams({ line, cursor: String(cursor) });
  return ask(`${base(project, id)}/complete?${query}`, completion, { signal });
}

function base(project: string, ...rest: readonly string[]): string {
  return apiPath("projects", project, "terminals", ...rest);
}
