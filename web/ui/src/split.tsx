import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";

interface SplitProps {
  /** `row` puts the panes side by side, `column` one above the other. */
  direction: "row" | "column";
  /** Where the size is remembered. */
  name: string;
  label: string;
  /** Size of the first pane at first, and its bounds, as a share of the whole. */
  initial: number;
  min: number;
  max: number;
  first: ComponentChildren;
  second: ComponentChildren;
  /** A pane not shown stays mounted, so that nothing in it starts over. */
  show?: "both" | "first" | "second";
}

const STEP = 0.02;

/** Two panes with a bar between them, moved by pointer or arrow keys; a double click resets it. */
export function Split(props: SplitProps) {
  const { direction, name, label, initial, min, max, show = "both" } = props;
  const [share, setShare] = useState(() => clamp(remembered(name) ?? initial, min, max));
  const box = useRef<HTMLDivElement>(null);
  const move = (wanted: number) => {
    const next = clamp(wanted, min, max);
    setShare(next);
    remember(name, next);
  };
  const follow = (event: PointerEvent) => {
    const bounds = box.current?.getBoundingClientRect();
    if (bounds) move(shareAt(direction, event, bounds));
  };
  return (
    <div
      ref={box}
      class={`split split-${direction} split-show-${show}`}
      style={{ "--share": `${share * 100}%` }}
    >
      <div class="split-first" hidden={show === "second"}>
        {props.first}
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a separator that can be moved has no element. */}
      <div
        class="split-bar"
        role="separator"
        tabIndex={0}
        hidden={show !== "both"}
        aria-label={label}
        aria-orientation={direction === "row" ? "vertical" : "horizontal"}
        aria-valuenow={Math.round(share * 100)}
        aria-valuemin={Math.round(min * 100)}
        aria-valuemax={Math.round(max * 100)}
        onDblClick={() => move(initial)}
        onKeyDown={(event) => {
          const change = arrowStep(event.key);
          if (change === 0) return;
          event.preventDefault();
          move(share + change);
        }}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) follow(event);
        }}
      />
      <div class="split-second" hidden={show === "first"}>
        {props.second}
      </div>
    </div>
  );
}

function shareAt(direction: "row" | "column", event: PointerEvent, bounds: DOMRect): number {
  if (direction === "row") return (event.clientX - bounds.left) / bounds.width;
  return (event.clientY - bounds.top) / bounds.height;
}

function arrowStep(key: string): number {
  if (key === "ArrowLeft" || key === "ArrowUp") return -STEP;
  if (key === "ArrowRight" || key === "ArrowDown") return STEP;
  return 0;
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

function remembered(name: string): number | undefined {
  try {
    const value = Number.parseFloat(localStorage.getItem(`tidegate.split.${name}`) ?? "");
    return Number.isFinite(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function remember(name: string, share: number): void {
  try {
    localStorage.setItem(`tidegate.split.${name}`, share.toFixed(4));
  } catch {
    // Without storage the panes start at their first size again.
  }
}
