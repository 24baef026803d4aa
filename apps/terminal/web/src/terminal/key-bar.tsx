import { useState } from "preact/hooks";
import type { ScreenKey } from "./screen-keys.ts";
import type { Terminal } from "./terminal.ts";

interface Face {
  readonly key: ScreenKey;
  readonly face: string;
  /** For a face that is a sign and not a word. */
  readonly name?: string;
}

const KEYS: readonly Face[] = [
  { key: "escape", face: "Esc" },
  { key: "tab", face: "Tab" },
  { key: "up", face: "↑", name: "Up" },
  { key: "down", face: "↓", name: "Down" },
  { key: "left", face: "←", name: "Left" },
  { key: "right", face: "→", name: "Right" },
];

const LETTERS: readonly ScreenKey[] = ["c", "d", "z", "l"];

/** Keys a phone has not got. Ctrl turns the bar into control letters for one press. */
export function KeyBar({ terminal }: { terminal: Terminal }) {
  const [isControl, setControl] = useState(false);
  const press = (key: ScreenKey) => {
    const prompt = promptField();
    if (terminal.current.peek() === undefined && prompt) pressInPrompt(prompt, key, isControl);
    else terminal.screen?.press(key, isControl);
    setControl(false);
  };
  const keys = isControl ? LETTERS.map(controlFace) : KEYS;
  return (
    <div class="key-bar" role="toolbar" aria-label="Terminal keys">
      <button
        type="button"
        class="key"
        aria-pressed={isControl}
        onPointerDown={keepFocus}
        onClick={() => setControl(!isControl)}
      >
        Ctrl
      </button>
      {keys.map(({ key, face, name }) => (
        <button
          key={key}
          type="button"
          class="key"
          aria-label={name}
          onPointerDown={keepFocus}
          onClick={() => press(key)}
        >
          {face}
        </button>
      ))}
    </div>
  );
}

function controlFace(key: ScreenKey): Face {
  return { key, face: `^${key.toUpperCase()}` };
}

/** The keyboard of a phone closes when the field it types into loses the focus. */
function keepFocus(event: PointerEvent): void {
  event.preventDefault();
}

function promptField(): HTMLElement | null {
  return document.querySelector<HTMLElement>(".shell:not([hidden]) [data-terminal-prompt]");
}

const DOM_KEYS: Partial<Record<ScreenKey, string>> = {
  escape: "Escape",
  tab: "Tab",
  up: "ArrowUp",
  down: "ArrowDown",
  left: "ArrowLeft",
  right: "ArrowRight",
};

function pressInPrompt(field: HTMLElement, key: ScreenKey, ctrlKey: boolean): void {
  field.focus();
  const press = new KeyboardEvent("keydown", {
    key: DOM_KEYS[key] ?? key,
    ctrlKey,
    bubbles: true,
    cancelable: true,
  });
  const isUnhandled = field.dispatchEvent(press);
  if (isUnhandled && field instanceof HTMLTextAreaElement) moveCaret(field, key);
}

function moveCaret(field: HTMLTextAreaElement, key: ScreenKey): void {
  const by = { left: -1, right: 1 }[key as string] ?? 0;
  const at = Math.max(0, field.selectionStart + by);
  field.setSelectionRange(at, at);
}
