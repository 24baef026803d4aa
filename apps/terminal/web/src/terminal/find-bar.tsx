import { Icon } from "@tidegate/ui";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Found } from "./screen.ts";
import type { Terminal } from "./terminal.ts";

/** Finds text in what a terminal still shows; Enter goes to the match above, Shift and Enter below. */
export function FindBar({ terminal }: { terminal: Terminal }) {
  const field = useRef<HTMLInputElement>(null);
  const [found, setFound] = useState<Found>();
  const [query, setQuery] = useState("");
  useLayoutEffect(() => field.current?.focus(), []);
  const find = (text: string, isDown: boolean) => {
    setFound(text === "" ? undefined : terminal.screen?.find(text, isDown));
    if (text === "") terminal.screen?.endFind();
  };
  const close = () => {
    terminal.screen?.endFind();
    terminal.isFinding.value = false;
    document.querySelector<HTMLElement>(".shell:not([hidden]) [data-terminal-prompt]")?.focus();
  };
  return (
    <search class="find">
      <input
        ref={field}
        class="input"
        type="text"
        aria-label="Find in the output"
        placeholder="Find in the output"
        spellcheck={false}
        value={query}
        onInput={({ currentTarget }) => {
          setQuery(currentTarget.value);
          find(currentTarget.value, false);
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter") find(query, event.shiftKey);
          if (event.key === "Escape") close();
        }}
      />
      <span class="find-count" aria-live="polite">
        {found && countWords(found)}
      </span>
      <button type="button" class="icon-button" aria-label="Close" onClick={close}>
        <Icon name="close" />
      </button>
    </search>
  );
}

function countWords({ at, count }: Found): string {
  return count === 0 ? "nothing" : `${at} of ${count.toLocaleString()}`;
}
