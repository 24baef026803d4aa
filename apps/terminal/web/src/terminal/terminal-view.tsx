import { clockDuration, Failed, Icon, useNow } from "@tidegate/ui";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { commandField, isFocusFree } from "./focus.ts";
import { KeyBar } from "./key-bar.tsx";
import { type ActiveCommand, stageWords } from "./progress.ts";
import { Prompt } from "./prompt.tsx";
import type { Terminal } from "./terminal.ts";

interface TerminalViewProps {
  terminal: Terminal;
  projectName: string;
  isShown: boolean;
  waitingReason: string | undefined;
}

/** One terminal: its screen, and below the last line either the prompt or the wait. */
export function TerminalView({ terminal, projectName, isShown, waitingReason }: TerminalViewProps) {
  const box = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLDivElement>(null);
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    let isGone = false;
    openScreen(terminal, element).catch((error: unknown) => {
      if (!isGone) setProblem(String(error));
    });
    const observer = new ResizeObserver(() => terminal.screen?.fit());
    observer.observe(element);
    return () => {
      isGone = true;
      observer.disconnect();
      terminal.detach();
    };
  }, [terminal]);

  useLayoutEffect(() => {
    terminal.isShown.value = isShown;
    if (!isShown) return;
    terminal.hasNews.value = false;
    terminal.screen?.fit();
    terminal.moved();
  }, [terminal, isShown]);

  const current = terminal.current.value;
  const reading = terminal.reading.value;
  // From the moment it is queued: what is typed ahead belongs to the program too.
  useFocus(terminal, isShown, current !== undefined, box);

  if (problem !== undefined || reading.kind === "failed") {
    return (
      <div class="shell" hidden={!isShown}>
        <Failed
          title="This terminal cannot be read"
          advice="Its commands keep running. Reload the page to try again."
          detail={problem ?? (reading.kind === "failed" ? reading.reason : "")}
          onRetry={() => location.reload()}
        />
      </div>
    );
  }
  return (
    <div
      class="shell"
      hidden={!isShown}
      id={`terminal-${terminal.id}`}
      role="tabpanel"
      aria-label="Terminal"
    >
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a click anywhere puts the caret on the line. */}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the line is reached by Tab. */}
      <div ref={box} class="screen-box" onClick={() => focusLine(terminal, box.current)}>
        <div ref={host} class="screen-host" />
        <Below
          terminal={terminal}
          projectName={projectName}
          waitingReason={waitingReason}
          boxRef={box}
          hostRef={host}
        />
      </div>
      <InputNotice terminal={terminal} />
      <KeyBar terminal={terminal} />
    </div>
  );
}

async function openScreen(terminal: Terminal, element: HTMLElement): Promise<void> {
  const { Screen } = await import("./screen.ts");
  if (!element.isConnected) return;
  terminal.attach(
    new Screen(element, {
      onKeys: (data) => {
        if (!terminal.type(data)) passToPrompt(element, data);
      },
      onResize: () => terminal.resized(),
      onTitle: (title) => {
        terminal.programTitle.value = title;
      },
      onMove: () => terminal.moved(),
    }),
  );
}

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
function Below({ terminal, projectName, waitingReason, boxRef, hostRef }: BelowProps) {
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
  const shift = isOverlaid && room > 0 ? Math.max(0, caret.top + height - room) : 0;
  useLayoutEffect(() => {
    if (hostRef.current)
      hostRef.current.style.transform = shift > 0 ? `translateY(${-shift}px)` : "";
  }, [shift, hostRef]);
  const opensUp = caret.top - shift > room / 2;
  const classes = ["below", caret.isScrolledBack && "below-away"].filter(Boolean).join(" ");
  return (
    <>
      <div ref={ref} class={classes} style={{ top: `${caret.top - shift}px` }}>
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

/** Told only when typing does not simply arrive. */
function InputNotice({ terminal }: { terminal: Terminal }) {
  const { waiting, isFull, refused } = terminal.input.value;
  const isUp = terminal.place.gateway.isUp.value;
  if (refused !== undefined)
    return <p class="input-notice input-notice-fail">Input refused: {refused}</p>;
  if (isFull) {
    return (
      <p class="input-notice input-notice-fail" role="alert">
        Input is full: {waiting.toLocaleString()} characters wait to be sent, and the last ones were
        not taken.
      </p>
    );
  }
  if (isUp || waiting === 0) return null;
  const count = waiting === 1 ? "1 character is" : `${waiting.toLocaleString()} characters are`;
  return <p class="input-notice">{count} kept and sent when the connection is back.</p>;
}

/**
 * The screen gets the focus as soon as a command has it, and a terminal that comes to the front
 * gets it too; the command line takes it by itself when it appears. In the same commit as the
 * change, so that no key falls between the two.
 */
function useFocus(
  terminal: Terminal,
  isShown: boolean,
  hasProgram: boolean,
  box: { current: HTMLElement | null },
): void {
  useLayoutEffect(() => {
    if (!isShown || !isFocusFree(box.current)) return;
    if (hasProgram) terminal.screen?.focus();
    else commandField(box.current)?.focus();
  }, [terminal, isShown, hasProgram, box]);
}

/** Focus where keys belong now: the program's screen or the command line. */
export function focusLine(terminal: Terminal, box: HTMLElement | null): void {
  if (terminal.screen?.selection) return;
  if (terminal.current.peek()) terminal.screen?.focus();
  else commandField(box)?.focus();
}

/** Keys typed on an idle screen belong on the line. */
function passToPrompt(host: HTMLElement, data: string): void {
  const field = commandField(host.parentElement);
  if (!field) return;
  field.focus();
  if (/^[\x20-\x7e\u00a0-\uffff\n]+$/.test(data)) {
    field.setRangeText(data, field.selectionStart, field.selectionEnd, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}
