import { Empty, Failed, Icon, Skeleton, useShortcuts } from "@tidegate/ui";
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { told } from "../failure.ts";
import { amend } from "../route.ts";
import type { Terminal } from "./terminal.ts";
import { useTerminalKeys } from "./terminal-keys.ts";
import { TerminalTabs } from "./terminal-tabs.tsx";
import { TerminalView } from "./terminal-view.tsx";
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
      <TerminalTabs terminals={terminals} />
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
