import { expect, test } from "vitest";
import type { Completion } from "../wire/terminal.ts";
import { CommandLine, type LineKey } from "./command-line.ts";

interface Options {
  history?: readonly string[];
  completion?: Completion;
  refuse?: boolean;
}

function harness({
  history = [],
  completion = { start: 0, options: [] },
  refuse = false,
}: Options = {}) {
  const ran: string[] = [];
  const told: string[] = [];
  const line = new CommandLine({
    history: () => history,
    complete: () => Promise.resolve(completion),
    run: (command) => {
      ran.push(command);
      return refuse ? Promise.reject(new Error("queue full")) : Promise.resolve();
    },
    clearScreen: () => {},
    scrollPages: () => {},
    tell: (what) => told.push(what),
  });
  const press = (key: string, held: Partial<LineKey> = {}) =>
    line.press({ key, altKey: false, ctrlKey: false, metaKey: false, shiftKey: false, ...held });
  const type = (text: string) => line.typed({ text, cursor: text.length });
  return { line, press, type, ran, told };
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("Enter runs the line once and empties it at once", async () => {
  const { line, press, type, ran } = harness();
  type("npm test ");
  press("Enter");
  press("Enter");
  await settled();
  expect(ran).toEqual(["npm test"]);
  expect(line.line.value.text).toBe("");
});

test("a command that was not queued is back on the line and told", async () => {
  const { line, press, type, told } = harness({ refuse: true });
  type("npm test");
  press("Enter");
  await settled();
  expect(line.line.value.text).toBe("npm test");
  expect(told).toEqual(["The command was not queued."]);
});

test("Shift and Enter is left to the field, which adds a line", () => {
  const { press, type, ran } = harness();
  type("for i in 1 2");
  expect(press("Enter", { shiftKey: true })).toBe(false);
  expect(ran).toEqual([]);
});

test("Tab on an empty line leaves it, so that the page stays reachable by keyboard", () => {
  expect(harness().press("Tab")).toBe(false);
});

test("Tab offers several options and Enter takes the chosen one without running it", async () => {
  const { line, press, type, ran } = harness({
    completion: { start: 4, options: ["src/a.js", "src/b.js"] },
  });
  type("cat s");
  press("Tab");
  await settled();
  expect(line.line.value.text).toBe("cat src/");
  press("ArrowDown");
  press("Enter");
  expect(line.line.value.text).toBe("cat src/b.js ");
  expect(line.popup.value.kind).toBe("none");
  expect(ran).toEqual([]);
});

test("options that arrive after more was typed are ignored", async () => {
  const { line, press, type } = harness({ completion: { start: 4, options: ["src/"] } });
  type("cat s");
  press("Tab");
  type("cat so");
  await settled();
  expect(line.line.value.text).toBe("cat so");
});

test("a search narrows while typing, and Escape brings the draft back", () => {
  const { line, press, type } = harness({ history: ["git status", "ls", "git push"] });
  type("draft");
  press("r", { ctrlKey: true });
  type("git");
  expect(line.choices.value).toEqual(["git push", "git status"]);
  press("r", { ctrlKey: true });
  press("Enter");
  expect(line.line.value.text).toBe("git status");
  press("r", { ctrlKey: true });
  type("zzz");
  press("Escape");
  expect(line.line.value.text).toBe("git status");
});

test("arrows walk the history from either end of what was typed", () => {
  const { line, press, type } = harness({ history: ["git status", "ls"] });
  type("git");
  expect(press("ArrowUp")).toBe(true);
  expect(line.line.value.text).toBe("git status");
  press("ArrowDown");
  expect(line.line.value.text).toBe("git");
});
