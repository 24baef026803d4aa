import { useEffect, useRef } from "preact/hooks";

interface ChoicesProps {
  label: string;
  options: readonly string[];
  at: number;
  opensUp: boolean;
  note?: string;
  onChoose: (index: number) => void;
}

/** A list beside the command line; the line keeps the focus and moves the choice. */
export function Choices({ label, options, at, opensUp, note, onChoose }: ChoicesProps) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <div class={opensUp ? "choices choices-up" : "choices"}>
      {options.length > 0 && (
        <div ref={list} class="choices-list" role="listbox" aria-label={label}>
          {options.map((option, index) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: the command line moves and takes the choice.
            // biome-ignore lint/a11y/useFocusableInteractive: the focus stays on the command line.
            <div
              key={option}
              role="option"
              aria-selected={index === at}
              class={index === at ? "choice choice-at" : "choice"}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => onChoose(index)}
            >
              {option}
            </div>
          ))}
        </div>
      )}
      {note && <p class="choices-note">{note}</p>}
    </div>
  );
}
