import { clockDuration, Icon, useNow } from "@tidegate/ui";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { placed } from "./placed.ts";
import { type ActiveCommand, stageWords } from "./progress.ts";
import { Prompt } from "./prompt.tsx";
import type { Terminal } from "./terminal.ts";

interface BelowProps {
  terminal: Terminal;
  projectName: string;
  waitingReason: string | undefined;
  boxRef: { current: HTMLDivElement | null };
  hostRef: { current: HTMLDivElement | null };
}

/**
 * What follows the last line of output. It lies over the screen at the cursor's row; where it
 * does not fit, the screen moves up by what is missing.
 */
export function Below({ terminal, projectName, waitingReason, boxRef, hostRef }: BelowProps) {
  const ref = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(0);
  const current = terminal.current.value;
  const caret = terminal.caret.value;
  const reading = terminal.reading.value;
  const isReplayed = terminal.isReplayed.value;
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setHeight(element.offsetHeight));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const isOverlaid = current === undefined || current.stage !== "running";
  const room = boxRef.current?.clientHeight ?? 0;
  const { top, shift } = placed(caret, isOverlaid ? height : 0, room);
  useLayoutEffect(() => {
    if (hostRef.current)
      hostRef.current.style.transform = shift > 0 ? `translateY(${-shift}px)` : "";
  }, [shift, hostRef]);
  const opensUp = top > room / 2;
  const classes = ["below", caret.isScrolledBack && "below-away"].filter(Boolean).join(" ");
  return (
    <>
      <div ref={ref} class={classes} style={{ top: `${top}px` }}>
        {isReplayed && current === undefined && (
          <Idle terminal={terminal} projectName={projectName} opensUp={opensUp} />
        )}
        {isReplayed && current !== undefined && current.stage !== "running" && (
          <Wait terminal={terminal} command={current} waitingReason={waitingReason} />
        )}
      </div>
      {caret.isScrolledBack && (
        <button
          type="button"
          class="button back-to-end"
          onClick={() => {
            terminal.screen?.scrollToEnd();
            terminal.moved();
          }}
        >
          <Icon name="chevronDown" /> To the end
        </button>
      )}
      {reading.kind === "replaying" && reading.behind > 500 && (
        <p class="replaying" role="status">
          Replaying {reading.behind.toLocaleString()} events
        </p>
      )}
    </>
  );
}

interface IdleProps {
  terminal: Terminal;
  projectName: string;
  opensUp: boolean;
}

function Idle(props: IdleProps) {
  if (props.terminal.place.canWrite) return <Prompt {...props} />;
  return <p class="looking">You can watch this terminal; typing needs the editor role.</p>;
}

interface WaitProps {
  terminal: Terminal;
  command: ActiveCommand;
  waitingReason: string | undefined;
}

function Wait({ terminal, command, waitingReason }: WaitProps) {
  const now = useNow();
  return (
    <p class="wait" role="status">
      <span class="wait-mark" aria-hidden="true" />
      <span>{stageWords(command, waitingReason)}</span>
      <span class="wait-clock" aria-hidden="true">
        {clockDuration((now - command.since) / 1000)}
      </span>
      {terminal.place.canWrite && command.stage !== "saving" && (
        <button type="button" class="button button-quiet" onClick={() => void terminal.kill()}>
          Cancel
        </button>
      )}
    </p>
  );
}
