import { expect, test } from "vitest";
import { keySequence } from "./screen-keys.ts";

test("arrows follow the mode that the program asked for", () => {
  expect(keySequence("up", false, false)).toBe("\x1b[A");
  expect(keySequence("up", false, true)).toBe("\x1bOA");
  expect(keySequence("left", true, true)).toBe("\x1b[1;5D");
});

test("a letter with Control is its control character", () => {
  expect(keySequence("c", true, false)).toBe("\x03");
  expect(keySequence("d", true, false)).toBe("\x04");
});
