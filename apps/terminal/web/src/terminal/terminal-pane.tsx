import {
  clockDuration,
  Empty,
  Failed,
  Icon,
  type Shortcut,
  Skeleton,
  useNow,
  useShortcuts,
} from "@tidegate/ui";
import type { JSX } from "preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { told } from "../failure.ts";
import { amend } from "../route.ts";
import { TabClose } from "../tab-close.tsx";
import type { ActiveCommand } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { focusLine, TerminalView } from "./terminal-view.tsx";
import type { Terminals } from "./terminals.ts";

interface TerminalPaneProps {
  terminals: Terminals;
  projectName: string;
  waitingReason: string | undefined;
}

/** The terminals of a project in tabs. */
export function TerminalPane({ terminals, projectName, waitingReason }: TerminalPaneProps) {
  useShortcuts(useTerminalKeys(terminals));
  const shown = terminals.shown.value;
  useEffect(() => {
    if (shown) amend({ terminal: shown.id });
  }, [shown]);
  const state = terminals.state.value;
  if (state.kind === "loading") return <Skeleton rows={3} label="Loading terminals" />;
  if (state.kind === "failed") {
    return (
      <Failed
        title="The terminals could not be listed"
        advice="The files are still there. Try again in a moment."
        detail={told(state.error).detail}
        onRetry={() => void terminals.load()}
      />
    );
  }
  return (
    <section class="terminals" aria-label="Terminals">
      <Tabs terminals={terminals} />
      <div class="terminal-stack">
        {state.value.length === 0 && <NoTerminal terminals={terminals} />}
        {state.value.map((terminal) => (
          <Warm key={terminal.id} isFirst={terminal === shown} first={shown}>
            <TerminalView
              terminal={terminal}
              projectName={projectName}
              isShown={terminal === shown}
              waitingReason={waitingReason}
            />
          </Warm>
        ))}
      </div>
    </section>
  );
}

interface WarmProps {
  isFirst: boolean;
  first: Terminal | undefined;
  children: JSX.Element;
}

/** Terminals behind the shown one load once it has caught up, so that it never waits for them. */
function Warm({ isFirst, first, children }: WarmProps) {
  const [isWarm, setWarm] = useState(isFirst);
  const isCaughtUp = first?.reading.value.kind === "live";
  useEffect(() => {
    if (isFirst || isCaughtUp) setWarm(true);
  }, [isFirst, isCaughtUp]);
  return isWarm ? children : null;
}

function NoTerminal({ terminals }: { terminals: Terminals }) {
  if (!terminals.place.canWrite) {
    return (
      <Empty icon="terminal" title="No terminal is open">
        When somebody opens one, you can watch it here.
      </Empty>
    );
  }
  return (
    <Empty
      icon="terminal"
      title="No terminal is open"
      actions={
        <button type="button" class="button button-primary" onClick={() => void terminals.open()}>
          <Icon name="add" /> New terminal
        </button>
      }
    >
      Each terminal runs its commands in order and keeps its own directory and history.
    </Empty>
  );
}

function Tabs({ terminals }: { terminals: Terminals }) {
  const shown = terminals.shown.value;
  const list = terminals.list.value;
  const { canWrite } = terminals.place;
  return (
    <header class="tabs-bar">
      <div
        class="tabs"
        role="tablist"
        aria-label="Terminals"
        onKeyDown={(event) => {
          const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
          if (by === undefined) return;
          event.preventDefault();
          terminals.showNext(by);
          const bar = event.currentTarget;
          requestAnimationFrame(() =>
            bar.querySelector<HTMLElement>("[aria-selected=true]")?.focus(),
          );
        }}
      >
        {list.map((terminal) => (
          <Tab
            key={terminal.id}
            terminals={terminals}
            terminal={terminal}
            isShown={terminal === shown}
          />
        ))}
      </div>
      {canWrite && (
        <button
          type="button"
          class="icon-button"
          aria-label="New terminal"
          title="New terminal"
          onClick={() => void terminals.open()}
        >
          <Icon name="add" />
        </button>
      )}
      <span class="tabs-space" />
      {shown && <RunControls terminal={shown} />}
    </header>
  );
}

interface TabProps {
  terminals: Terminals;
  terminal: Terminal;
  isShown: boolean;
}

function Tab({ terminals, terminal, isShown }: TabProps) {
  const title = terminals.titleOf(terminal);
  const running = terminal.current.value;
  const { canWrite } = terminals.place;
  return (
    <div class={isShown ? "tab tab-shown" : "tab"} role="presentation">
      <button
        type="button"
        role="tab"
        class="tab-name"
        aria-selected={isShown}
        aria-controls={`terminal-${terminal.id}`}
        tabIndex={isShown ? 0 : -1}
        title={terminal.programTitle.value || title}
        onClick={(event) => {
          terminals.show(terminal.id);
          // A pointer goes on to the line; keys stay on the tabs, where arrows move them.
          if (event.detail > 0) event.currentTarget.blur();
        }}
        onAuxClick={(event) => {
          if (event.button === 1 && canWrite) terminals.close(terminal);
        }}
        onKeyDown={(event) => {
          if (event.key === "Delete" && canWrite) terminals.close(terminal);
        }}
      >
        <TabMark terminal={terminal} running={running} />
        <span class="tab-title">{title}</span>
      </button>
      {canWrite && <TabClose title={title} onClose={() => terminals.close(terminal)} />}
    </div>
  );
}

function TabMark({
  terminal,
  running,
}: {
  terminal: Terminal;
  running: ActiveCommand | undefined;
}) {
  const ending = terminal.progress.value.ending;
  if (running) {
    const isWaiting = running.stage !== "running";
    return (
      <span class={isWaiting ? "mark mark-wait" : "mark mark-live"} title={running.stage}>
        <span class="visually-hidden">{running.stage}: </span>
      </span>
    );
  }
  if (terminal.hasNews.value) {
    return (
      <span class="mark mark-news">
        <span class="visually-hidden">New output: </span>
      </span>
    );
  }
  const isFailed = ending !== undefined && ending.code !== 0;
  return isFailed ? (
    <span class="mark mark-fail">
      <span class="visually-hidden">Failed: </span>
    </span>
  ) : (
    <Icon name="terminal" />
  );
}

function RunControls({ terminal }: { terminal: Terminal }) {
  const running = terminal.current.value;
  if (!running) return null;
  return (
    <div class="run">
      <RunClock since={running.since} />
      {terminal.progress.value.active.length > 1 && (
        <span class="run-queued">{terminal.progress.value.active.length - 1} more queued</span>
      )}
      {terminal.place.canWrite && (
        <button
          type="button"
          class="button button-kill"
          title="End the command and everything it started"
          onClick={() => void terminal.kill()}
        >
          <Icon name="stop" /> Kill
        </button>
      )}
    </div>
  );
}

function RunClock({ since }: { since: number }) {
  const now = useNow();
  return <span class="run-clock">{clockDuration((now - since) / 1000)}</span>;
}

function useTerminalKeys(terminals: Terminals): readonly Shortcut[] {
  return useMemo(() => {
    const group = "Terminals";
    const focusShown = () => {
      const shown = terminals.shown.peek();
      if (shown) focusLine(shown, document.querySelector(`#terminal-${CSS.escape(shown.id)}`));
    };
    const numbered = Array.from({ length: 9 }, (_, index): Shortcut => {
      const run = () => {
        const terminal = terminals.list.peek()[index];
        if (terminal) terminals.show(terminal.id);
      };
      return {
        keys: `alt+${index + 1}`,
        does: "Terminal 1, and so on to 9",
        group,
        run,
        isGlobal: true,
        isUnlisted: index > 0,
      };
    });
    const shared: readonly Shortcut[] = [
      { keys: "ctrl+`", does: "Go to the command line", group, run: focusShown, isGlobal: true },
      {
        keys: "alt+t",
        does: "New terminal",
        group,
        run: () => void terminals.open(),
        isGlobal: true,
      },
      {
        keys: "alt+[",
        does: "Terminal to the left",
        group,
        run: () => terminals.showNext(-1),
        isGlobal: true,
      },
      {
        keys: "alt+]",
        does: "Terminal to the right",
        group,
        run: () => terminals.showNext(1),
        isGlobal: true,
      },
      { keys: "tab", does: "Complete a path", group: "Command line" },
      { keys: "arrowup", does: "Earlier command that begins alike", group: "Command line" },
      { keys: "ctrl+r", does: "Search earlier commands", group: "Command line" },
      { keys: "shift+enter", does: "Another line", group: "Command line" },
      { keys: "ctrl+c", does: "Clear the line; interrupt what runs", group: "Command line" },
      { keys: "ctrl+l", does: "Clear the screen", group: "Command line" },
    ];
    return [...shared.slice(0, 5), ...numbered, ...shared.slice(5)];
  }, [terminals]);
}
