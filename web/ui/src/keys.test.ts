import { expect, test } from "vitest";
import { matchesChord, parseChord } from "./keys.ts";

const press = (
  key: string,
  held: Partial<Record<"alt" | "ctrl" | "meta" | "shift", boolean>> = {},
) => ({
  key,
  code: /^[0-9]$/.test(key) ? `Digit${key}` : "",
  altKey: held.alt ?? false,
  ctrlKey: held.ctrl ?? false,
  metaKey: held.meta ?? false,
  shiftKey: held.shift ?? false,
});

test("mod is Control, and Command on a Mac", () => {
  expect(matchesChord(press("s", { ctrl: true }), parseChord("mod+s", false))).toBe(true);
  expect(matchesChord(press("s", { meta: true }), parseChord("mod+s", true))).toBe(true);
  expect(matchesChord(press("s", { ctrl: true }), parseChord("mod+s", true))).toBe(false);
});

test("a symbol typed with Shift matches without naming Shift", () => {
  expect(matchesChord(press("?", { shift: true }), parseChord("?"))).toBe(true);
});

test("an Option key that changes the character still matches by position", () => {
  const changed = { ...press("¡", { alt: true }), code: "Digit1" };
  expect(matchesChord(changed, parseChord("alt+1"))).toBe(true);
});

test("a plain letter does not match while Control is held", () => {
  expect(matchesChord(press("j", { ctrl: true }), parseChord("j"))).toBe(false);
});
