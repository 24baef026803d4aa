import { useSignalEffect } from "@preact/signals";
import {
  ConnectionBar,
  ConnectionMark,
  Empty,
  Icon,
  isKeyHelpOpen,
  KeyHelp,
  type Shortcut,
  ThemeSwitch,
  Toasts,
  useShortcuts,
} from "@tidegate/ui";
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Gateway } from "./connection/gateway.ts";
import { InvitePage } from "./invite-page.tsx";
import { isNarrow } from "./project/narrow.ts";
import { ProjectBar } from "./project/project-bar.tsx";
import { ProjectPage } from "./project/project-page.tsx";
import type { Workspace } from "./project/workspace.ts";
import { ProjectsPage } from "./projects/projects-page.tsx";
import { follow, route } from "./route.ts";
import { StatusFeed } from "./status/status.ts";
import { StatusStrip } from "./status/strip.tsx";
import type { Session } from "./wire/session.ts";

interface AppProps {
  session: Session;
  gateway: Gateway;
}

const openHelp = () => {
  isKeyHelpOpen.value = true;
};

const PAGE_KEYS: readonly Shortcut[] = [
  { keys: "?", does: "List the keys", group: "Page", run: openHelp },
  {
    keys: "f1",
    does: "List the keys, while typing too",
    group: "Page",
    run: openHelp,
    isGlobal: true,
  },
];

/** The frame around every view: bar, connection, strip. */
export function App({ session, gateway }: AppProps) {
  const [workspace, setWorkspace] = useState<Workspace>();
  const [isTreeOpen, setTreeOpen] = useState(!isNarrow.peek());
  const [status] = useState(() => new StatusFeed(gateway));
  useShortcuts(PAGE_KEYS);
  useEffect(() => () => status.dispose(), [status]);
  useSignalEffect(() => setTreeOpen(!isNarrow.value));
  const [name, setName] = useState<string>();
  const onWorkspace = useCallback((next: Workspace | undefined) => {
    setWorkspace(next);
    setName(next?.project.name);
  }, []);
  useEffect(() => {
    document.title = name === undefined ? "Tidegate terminal" : `${name} · Tidegate terminal`;
  }, [name]);
  const report = status.report.value;
  const connection = gateway.connection.value;
  const waitingReason = report?.status.waiting.reason;
  return (
    <div class="app">
      <header class="bar">
        {workspace && (
          <button
            type="button"
            class="icon-button"
            aria-label="Files"
            title="Files"
            aria-pressed={isTreeOpen}
            onClick={() => setTreeOpen(!isTreeOpen)}
          >
            <Icon name="menu" />
          </button>
        )}
        <a
          class="brand"
          href="/"
          aria-label="Tidegate: all projects"
          onClick={follow({ kind: "projects" })}
        >
          <Mark />
          <span class="brand-name">Tidegate</span>
        </a>
        {workspace && (
          <ProjectBar
            key={workspace.project.id}
            workspace={workspace}
            onRenamed={setName}
            name={name ?? workspace.project.name}
            isShareable={session.mode !== "owner"}
          />
        )}
        <span class="bar-space" />
        <ConnectionMark report={connection} />
        <button
          type="button"
          class="icon-button bar-keys"
          aria-label="Keyboard"
          title="Keyboard (?)"
          onClick={openHelp}
        >
          <Icon name="key" />
        </button>
        <ThemeSwitch />
      </header>
      <ConnectionBar report={connection} onReconnect={() => gateway.reconnectNow()} />
      <View
        gateway={gateway}
        waitingReason={waitingReason}
        isTreeOpen={isTreeOpen}
        onTreeClose={() => setTreeOpen(false)}
        onWorkspace={onWorkspace}
      />
      <StatusStrip report={report} connection={connection} session={session} />
      <Toasts />
      <KeyHelp />
    </div>
  );
}

interface ViewProps {
  gateway: Gateway;
  waitingReason: string | undefined;
  isTreeOpen: boolean;
  onTreeClose: () => void;
  onWorkspace: (workspace: Workspace | undefined) => void;
}

function View(props: ViewProps) {
  const here = route.value;
  switch (here.kind) {
    case "projects":
      return <ProjectsPage />;
    case "project":
      return <ProjectPage key={here.id} id={here.id} {...props} />;
    case "invite":
      return <InvitePage token={here.token} gateway={props.gateway} />;
    case "unknown":
      return (
        <main class="projects">
          <Empty
            icon="search"
            title="Nothing is at this address"
            actions={
              <a class="button" href="/" onClick={follow({ kind: "projects" })}>
                All projects
              </a>
            }
          >
            <code>{here.path}</code>
          </Empty>
        </main>
      );
  }
}

/** Two tides in a gate. */
function Mark() {
  return (
    <svg class="brand-mark" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M2 7c2.7 0 2.7 2.2 5.300 2.2S10 7 12.7 7s2.6 2.2 5.300 2.2M2 12c2.7 0 2.7 2.2 5.300 2.2S10 12 12.7 12s2.6 2.2 5.300 2.2" />
    </svg>
  );
}
