import { expect, test } from "vitest";
import { placed } from "./placed.ts";

const caret = (top: number, isScrolledBack = false) => ({ top, rowHeight: 18, isScrolledBack });

test("the line lies at the cursor's row while there is room below it", () => {
  expect(placed(caret(36), 18, 400)).toEqual({ top: 36, shift: 0 });
});

test("a line that does not fit moves the screen up by what is missing", () => {
  expect(placed(caret(390), 54, 400)).toEqual({ top: 346, shift: 44 });
});

test("whoever reads further up keeps the screen as it is", () => {
  expect(placed(caret(2000, true), 18, 400)).toEqual({ top: 382, shift: 0 });
});
