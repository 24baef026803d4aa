/** Keys that a bar of buttons sends, as a terminal sends them. Pure. */

export type ScreenKey = "escape" | "tab" | "up" | "down" | "left" | "right" | "c" | "d" | "z" | "l";

const ARROWS: Partial<Record<ScreenKey, string>> = { up: "A", down: "B", right: "C", left: "D" };

export function keySequence(key: ScreenKey, isControl: boolean, isApplication: boolean): string {
  if (key === "escape") return "\x1b";
  if (key === "tab") return "\t";
  const arrow = ARROWS[key];
  if (arrow) return isControl ? `\x1b[1;5${arrow}` : `\x1b${isApplication ? "O" : "["}${arrow}`;
  return isControl ? String.fromCharCode(key.charCodeAt(0) & 0x1f) : key;
}
