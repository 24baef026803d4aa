import { clockDuration, Icon, useNow } from "@tidegate/ui";
import { TabClose } from "../tab-close.tsx";
import type { ActiveCommand } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import type { Terminals } from "./terminals.ts";

/** A tab for each terminal, and the controls of what runs in the one in front. */
export function TerminalTabs({ terminals }: { terminals: Terminals }) {
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
      {terminal.place.canWrite && running.stage === "running" && (
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
