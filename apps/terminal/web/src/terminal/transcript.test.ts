import { expect, test } from "vitest";
import type { TerminalEvent } from "../wire/terminal.ts";
import { type Cursor, gapRemark, transcribed } from "./transcript.ts";

const AT_START: Cursor = { column: 0, isAlternate: false };

/** What is left to read once colours and modes are taken away. */
function shown(event: TerminalEvent, cursor = AT_START): string {
  const text = transcribed(event, "demo").map((chunk) =>
    typeof chunk === "function" ? chunk(cursor) : chunk,
  );
  return text.join("").replace(/\x1b\[[0-9;?!]*[a-zA-Z]/g, "");
}

const exit = (fields: Partial<Extract<TerminalEvent, { type: "exit" }>>): TerminalEvent => ({
  type: "exit",
  job: "j",
  code: 0,
  reason: undefined,
  signal: undefined,
  cwd: undefined,
  duration_s: undefined,
  ...fields,
});

test("a command appears behind its directory, each of its lines on one", () => {
  const event: TerminalEvent = {
    type: "command",
    job: "j",
    command: "for i in 1 2\ndo echo $i; done",
    cwd: "src",
    at: 1,
  };
  expect(shown(event)).toBe("demo ~/src ❯ for i in 1 2\r\n… do echo $i; done\r\n");
});

test("a command cannot steer the terminal with escape sequences of its own", () => {
  const event: TerminalEvent = {
    type: "command",
    job: "j",
    command: "echo \x1b[2J",
    cwd: "",
    at: 1,
  };
  expect(shown(event)).toBe("demo ~ ❯ echo \ufffd[2J\r\n");
});

test("an ending starts on a line of its own when output stopped in the middle of one", () => {
  expect(shown(exit({ code: 1, duration_s: 2.44 }), { column: 7, isAlternate: false })).toBe(
    "\r\n✗ exit 1 · 2.4 s\r\n",
  );
});

test("a short success adds nothing, a long one its duration", () => {
  expect(shown(exit({ duration_s: 0.3 }))).toBe("");
  expect(shown(exit({ duration_s: 12 }))).toBe("✓ 12 s\r\n");
});

test("an ending without a code is told with its reason", () => {
  expect(shown(exit({ code: undefined, reason: "the worker was lost" }))).toBe(
    "✗ ended without an exit status · the worker was lost\r\n",
  );
});

test("a program killed on the alternate screen is taken off it", () => {
  const text = transcribed(exit({ signal: "SIGKILL", code: undefined }), "demo").map((chunk) =>
    typeof chunk === "function" ? chunk({ column: 0, isAlternate: true }) : chunk,
  );
  expect(text.join("")).toContain("\x1b[?1049l");
  expect(text.join("")).toContain("ended by KILL");
});

test("bytes that are not text arrive as bytes", () => {
  const event: TerminalEvent = { type: "output", job: "j", data: "/wD+", encoding: "base64" };
  expect(transcribed(event, "demo")).toEqual([Uint8Array.of(255, 0, 254)]);
});

test("events that are gone are counted", () => {
  expect(String(gapRemark(1200).at(-1))).toContain("1,200 earlier events are no longer kept");
});
