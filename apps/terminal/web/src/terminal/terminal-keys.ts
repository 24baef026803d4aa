/** The keys of the terminals, and those of the command line, which handles its own. */

import type { Shortcut } from "@tidegate/ui";
import { useMemo } from "preact/hooks";
import { focusLine } from "./terminal-view.tsx";
import type { Terminals } from "./terminals.ts";

const GROUP = "Terminals";

const LINE_KEYS: readonly Shortcut[] = [
  { keys: "tab", does: "Complete a path", group: "Command line" },
  { keys: "arrowup", does: "Earlier command that begins alike", group: "Command line" },
  { keys: "ctrl+r", does: "Search earlier commands", group: "Command line" },
  { keys: "shift+enter", does: "Another line", group: "Command line" },
  { keys: "ctrl+c", does: "Clear the line; interrupt what runs", group: "Command line" },
  { keys: "ctrl+l", does: "Clear the screen", group: "Command line" },
];

export function useTerminalKeys(terminals: Terminals): readonly Shortcut[] {
  return useMemo(
    () => [
      ...readingKeys(terminals),
      ...numberKeys(terminals),
      ...(terminals.place.canWrite ? [...writingKeys(terminals), ...LINE_KEYS] : []),
    ],
    [terminals],
  );
}

function readingKeys(terminals: Terminals): readonly Shortcut[] {
  const focusShown = () => {
    const shown = terminals.shown.peek();
    if (shown) focusLine(shown, document.querySelector(`#terminal-${CSS.escape(shown.id)}`));
  };
  const find = () => {
    const shown = terminals.shown.peek();
    if (shown) shown.isFinding.value = true;
  };
  return [
    global("ctrl+`", "Go to the terminal", focusShown),
    global("mod+shift+f", "Find in the output", find),
    global("alt+[", "Terminal to the left", () => terminals.showNext(-1)),
    global("alt+]", "Terminal to the right", () => terminals.showNext(1)),
  ];
}

function numberKeys(terminals: Terminals): readonly Shortcut[] {
  return Array.from({ length: 9 }, (_, index) => {
    const run = () => {
      const terminal = terminals.list.peek()[index];
      if (terminal) terminals.show(terminal.id);
    };
    const does = "Terminal 1, and so on to 9";
    return { ...global(`alt+${index + 1}`, does, run), isUnlisted: index > 0 };
  });
}

function writingKeys(terminals: Terminals): readonly Shortcut[] {
  return [
    global("alt+t", "New terminal", () => void terminals.open()),
    { keys: "delete", does: "Close the terminal whose tab has the focus", group: GROUP },
  ];
}

function global(keys: string, does: string, run: () => void): Shortcut {
  return { keys, does, group: GROUP, run, isGlobal: true };
}
