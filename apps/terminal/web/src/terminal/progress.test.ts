import { expect, test } from "vitest";
import type { TerminalEvent } from "../wire/terminal.ts";
import { afterEvent, promptPath, START, stageWords, type TerminalProgress } from "./progress.ts";

const typed = (job: string): TerminalEvent => ({
  type: "command",
  job,
  command: `run ${job}`,
  cwd: "src",
  at: 5,
});
const reached = (job: string, state: string): TerminalEvent => ({
  type: "status",
  job,
  state,
  detail: undefined,
});
const ended = (job: string, code: number | undefined): TerminalEvent => ({
  type: "exit",
  job,
  code,
  reason: code === undefined ? "worker lost" : undefined,
  signal: undefined,
  cwd: "src/lib",
  duration_s: 1,
});

function after(...events: readonly TerminalEvent[]): TerminalProgress {
  return events.reduce((progress, event) => afterEvent(progress, event, 99), START);
}

test("a command is queued, then goes through its stages", () => {
  const { active } = after(typed("a"), reached("a", "running"));
  expect(active).toEqual([
    { job: "a", command: "run a", stage: "running", detail: undefined, since: 5 },
  ]);
});

test("an exit moves to its directory and remembers how it ended", () => {
  const progress = after(typed("a"), ended("a", 2));
  expect(progress).toEqual({
    cwd: "src/lib",
    ending: { code: 2, reason: undefined, signal: undefined },
    active: [],
  });
});

test("a second command waits behind the first", () => {
  expect(after(typed("a"), typed("b"), ended("a", 0)).active[0]?.job).toBe("b");
});

test("a lost worker ends the command with a reason and no code", () => {
  expect(after(typed("a"), ended("a", undefined)).ending).toEqual({
    code: undefined,
    reason: "worker lost",
    signal: undefined,
  });
});

test("the wait is told with the reason the service gives", () => {
  const [command] = after(typed("a")).active;
  if (!command) throw new Error("expected a command");
  expect(stageWords(command, "all tasks busy")).toBe("Waiting for a worker: all tasks busy");
  expect(stageWords({ ...command, stage: "starting" }, undefined)).toBe(
    "Waiting for a worker: task starting",
  );
});

test("the project's root reads as a tilde, however the service writes it", () => {
  expect(["", ".", "./", "~", "src", "./src/", "~/src", "/tmp"].map(promptPath)).toEqual([
    "~",
    "~",
    "~",
    "~",
    "~/src",
    "~/src",
    "~/src",
    "/tmp",
  ]);
});
