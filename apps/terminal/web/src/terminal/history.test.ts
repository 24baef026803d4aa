import { expect, test } from "vitest";
import { remembered, searched, stepped, type Walk } from "./history.ts";

const HISTORY = ["git status", "git push", "ls"];
const fresh = (draft: string): Walk => ({ draft, at: HISTORY.length });

test("walking back goes through entries that begin with what was typed", () => {
  const first = stepped(HISTORY, fresh("git"), -1);
  expect(first?.text).toBe("git push");
  const second = first && stepped(HISTORY, first.walk, -1);
  expect(second?.text).toBe("git status");
  expect(second && stepped(HISTORY, second.walk, -1)).toBeUndefined();
});

test("walking forth ends at the draft", () => {
  const back = stepped(HISTORY, fresh("gi"), -1);
  expect(back && stepped(HISTORY, back.walk, 1)?.text).toBe("gi");
  expect(stepped(HISTORY, fresh("gi"), 1)).toBeUndefined();
});

test("a repeated command is remembered once, as the newest, and blanks not at all", () => {
  expect(remembered(["ls"], "ls")).toEqual(["ls"]);
  expect(remembered(["ls", "pwd"], "ls")).toEqual(["pwd", "ls"]);
  expect(remembered(["ls"], "  ")).toEqual(["ls"]);
  expect(remembered(["ls"], "pwd")).toEqual(["ls", "pwd"]);
});

test("a search finds each entry once, newest first, by all its words", () => {
  expect(searched(HISTORY, "", 10)).toEqual(["ls", "git push", "git status"]);
  expect(searched(HISTORY, "STAT git", 10)).toEqual(["git status"]);
});
