/** Keyboard shortcuts: how they are written, matched and listed. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

export interface Shortcut {
  /** As people read it: `?`, `mod+s`, `alt+1`. `mod` is Command on a Mac, Control elsewhere. */
  readonly keys: string;
  readonly does: string;
  readonly group: string;
  /** Nothing for a key that is only listed, because the part that owns it handles it. */
  readonly run?: () => void;
  /** Also while a person types in a field. */
  readonly isGlobal?: boolean;
  /** One of a row of keys whose first one is listed for all. */
  readonly isUnlisted?: boolean;
}

export interface Chord {
  readonly key: string;
  readonly alt: boolean;
  readonly ctrl: boolean;
  readonly meta: boolean;
  readonly shift: boolean;
}

type KeyPress = Pick<KeyboardEvent, "altKey" | "code" | "ctrlKey" | "key" | "metaKey" | "shiftKey">;

/** Shortcuts in force, in the order their components appeared. */
export const shortcuts = signal<readonly Shortcut[]>([]);

export const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? "");

export function parseChord(keys: string, mac = isMac): Chord {
  const parts = keys.toLowerCase().split("+");
  const has = (name: string) => parts.includes(name);
  return {
    key: parts.at(-1) ?? "",
    alt: has("alt"),
    ctrl: has("ctrl") || (has("mod") && !mac),
    meta: has("mod") && mac,
    shift: has("shift"),
  };
}

/** Whether a key press is this chord, whatever layout or Option key changed its character to. */
export function matchesChord(press: KeyPress, chord: Chord): boolean {
  if (press.altKey !== chord.alt || press.ctrlKey !== chord.ctrl) return false;
  if (press.metaKey !== chord.meta) return false;
  // A symbol such as "?" needs Shift on most layouts, so Shift only counts where it is asked for.
  if (chord.shift && !press.shiftKey) return false;
  if (press.key.toLowerCase() === chord.key) return true;
  return chord.alt && press.code.toLowerCase() === physicalKey(chord.key);
}

function physicalKey(key: string): string {
  if (/^[0-9]$/.test(key)) return `digit${key}`;
  if (/^[a-z]$/.test(key)) return `key${key}`;
  return { "[": "bracketleft", "]": "bracketright", "`": "backquote" }[key] ?? key;
}

const SYMBOLS: Record<string, string> = {
  mod: isMac ? "⌘" : "Ctrl",
  alt: isMac ? "⌥" : "Alt",
  ctrl: isMac ? "⌃" : "Ctrl",
  shift: isMac ? "⇧" : "Shift",
  delete: "Del",
  enter: "Enter",
  tab: "Tab",
  arrowup: "↑",
  arrowdown: "↓",
  arrowleft: "←",
  arrowright: "→",
};

/** The caps to draw for a chord: `["Ctrl", "S"]`. */
export function keyCaps(keys: string): readonly string[] {
  return keys.split("+").map((part) => SYMBOLS[part.toLowerCase()] ?? part.toUpperCase());
}

/** Keep these shortcuts in force while the component is shown; pass a stable list. */
export function useShortcuts(list: readonly Shortcut[]): void {
  useEffect(() => {
    shortcuts.value = [...shortcuts.value, ...list];
    return () => {
      shortcuts.value = shortcuts.value.filter((shortcut) => !list.includes(shortcut));
    };
  }, [list]);
}

/** Run shortcuts for key presses anywhere on the page; call once. */
export function startShortcuts(): void {
  // Capture, so that a terminal or an editor in focus does not swallow a global chord first.
  addEventListener("keydown", runShortcut, { capture: true });
}

function runShortcut(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || isModalOpen()) return;
  const isTyping = typesInto(event.target);
  // The latest component wins: a view on top of another may reuse a chord.
  const found = shortcuts
    .peek()
    .findLast(
      (shortcut) =>
        shortcut.run &&
        (shortcut.isGlobal || !isTyping) &&
        matchesChord(event, parseChord(shortcut.keys)),
    );
  if (!found?.run) return;
  event.preventDefault();
  event.stopPropagation();
  found.run();
}

function isModalOpen(): boolean {
  return document.querySelector("dialog[open]") !== null;
}

function typesInto(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
