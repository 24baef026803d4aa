import type { Caret } from "./screen.ts";

/**
 * Where to lay something `height` pixels high, and how far the screen moves up for it. Who reads
 * further up keeps the screen as it is.
 */
export function placed(caret: Caret, height: number, room: number): { top: number; shift: number } {
  if (caret.isScrolledBack || room === 0) return { top: Math.max(0, room - height), shift: 0 };
  const shift = Math.max(0, caret.top + height - room);
  return { top: caret.top - shift, shift };
}
