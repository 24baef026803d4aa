import { Failed } from "@tidegate/ui";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Below } from "./below.tsx";
import { FindBar } from "./find-bar.tsx";
import { commandField, isFocusFree } from "./focus.ts";
import { InputNotice } from "./input-notice.tsx";
import { KeyBar } from "./key-bar.tsx";
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
      {terminal.isFinding.value && <FindBar terminal={terminal} />}
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
