/** Who has the focus, and whether a terminal may take it. */

/** The command line inside `box`, if it is shown. */
export function commandField(box: ParentNode | null): HTMLTextAreaElement | null {
  return box?.querySelector<HTMLTextAreaElement>("[data-terminal-prompt]") ?? null;
}

/**
 * Whether the focus may move to a terminal: it is inside `box`, or nowhere. On touch it must be
 * inside already, because the focus opens a keyboard over the page.
 */
export function isFocusFree(box: HTMLElement | null): boolean {
  const focused = document.activeElement;
  if (box?.contains(focused)) return true;
  const isNowhere = focused === null || focused === document.body;
  return isNowhere && !matchMedia("(pointer: coarse)").matches;
}
