import { expect, test } from "vitest";
import { edited, isOnFirstLine, isOnLastLine } from "./line-edit.ts";

test("control keys move to and delete to the ends of their line", () => {
  const line = { text: "first\ngit push now", cursor: 10 };
  expect(edited(line, "a")?.cursor).toBe(6);
  expect(edited(line, "e")?.cursor).toBe(18);
  expect(edited(line, "u")).toEqual({ text: "first\npush now", cursor: 6 });
  expect(edited(line, "k")).toEqual({ text: "first\ngit ", cursor: 10 });
});

test("ctrl-W deletes the word before the cursor with its spaces", () => {
  expect(edited({ text: "rm -rf  dist now", cursor: 12 }, "w")).toEqual({
    text: "rm -rf   now",
    cursor: 8,
  });
});

test("arrows leave a line only at its first and last line", () => {
  const line = { text: "a\nb\nc", cursor: 2 };
  expect(isOnFirstLine(line)).toBe(false);
  expect(isOnLastLine(line)).toBe(false);
  expect(isOnFirstLine({ ...line, cursor: 1 })).toBe(true);
  expect(isOnLastLine({ ...line, cursor: 4 })).toBe(true);
});
