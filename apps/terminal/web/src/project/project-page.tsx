import { Empty, Failed, Skeleton, Split } from "@tidegate/ui";
import { useEffect, useState } from "preact/hooks";
import type { Gateway } from "../connection/gateway.ts";
import { EditorPane } from "../editor/editor-pane.tsx";
import { isForbidden, isMissing, told } from "../failure.ts";
import { FileTree } from "../files/file-tree.tsx";
import type { Remote } from "../remote.ts";
import { amend, follow, route } from "../route.ts";
import { TerminalPane } from "../terminal/terminal-pane.tsx";
import { isNarrow } from "./narrow.ts";
import { openWorkspace, type Workspace } from "./workspace.ts";

interface ProjectPageProps {
  id: string;
  gateway: Gateway;
  waitingReason: string | undefined;
  isTreeOpen: boolean;
  onTreeClose: () => void;
  /** The project's name and role are known, or are no longer. */
  onWorkspace: (workspace: Workspace | undefined) => void;
}

/** One project: files on the left, the editor above the terminals. */
export function ProjectPage(props: ProjectPageProps) {
  const { id, gateway, onWorkspace } = props;
  const [state, setState] = useState<Remote<Workspace>>({ kind: "loading" });
  const [attempt, setAttempt] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` asks for another try.
  useEffect(() => {
    let isGone = false;
    let opened: Workspace | undefined;
    setState({ kind: "loading" });
    const asked = route.peek();
    const wanted = asked.kind === "project" ? asked : undefined;
    openWorkspace(id, gateway, wanted?.terminal).then(
      (workspace) => {
        opened = workspace;
        if (isGone) return workspace.dispose();
        if (wanted?.file) workspace.documents.show(wanted.file);
        setState({ kind: "ready", value: workspace });
        onWorkspace(workspace);
      },
      (error: unknown) => {
        if (!isGone) setState({ kind: "failed", error });
      },
    );
    return () => {
      isGone = true;
      opened?.dispose();
      onWorkspace(undefined);
    };
  }, [id, gateway, onWorkspace, attempt]);

  switch (state.kind) {
    case "loading":
      return (
        <main class="project">
          <Skeleton rows={6} label="Opening the project" />
        </main>
      );
    case "failed":
      return (
        <main class="project">
          <NotOpened error={state.error} onRetry={() => setAttempt(attempt + 1)} />
        </main>
      );
    case "ready":
      return <OpenProject {...props} workspace={state.value} />;
  }
}

function NotOpened({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const toProjects = (
    <a class="button" href="/" onClick={follow({ kind: "projects" })}>
      All projects
    </a>
  );
  if (isForbidden(error)) {
    return (
      <Empty icon="shield" title="This project is not shared with you" actions={toProjects}>
        Ask its owner for an invitation link, then open it here.
      </Empty>
    );
  }
  if (isMissing(error)) {
    return (
      <Empty icon="folder" title="There is no such project" actions={toProjects}>
        It was deleted, or the address is not complete.
      </Empty>
    );
  }
  return (
    <Failed
      title="The project could not be opened"
      advice="Its files and terminals are kept. Try again in a moment."
      detail={told(error).detail}
      onRetry={onRetry}
    />
  );
}

interface OpenProjectProps extends ProjectPageProps {
  workspace: Workspace;
}

function OpenProject({ workspace, waitingReason, isTreeOpen, onTreeClose }: OpenProjectProps) {
  const { files, documents, terminals, project, canWrite } = workspace;
  const shownFile = documents.shown.value?.path;
  const hasFiles = documents.open.value.length > 0;
  const narrow = isNarrow.value;
  useEffect(() => amend({ file: shownFile }), [shownFile]);
  const [front, setFront] = useState<"editor" | "terminal">("terminal");
  const show = (path: string) => {
    documents.show(path);
    setFront("editor");
    if (narrow) onTreeClose();
  };
  const tree = isTreeOpen && (
    <FileTree files={files} canWrite={canWrite} openPath={shownFile} onOpen={show} />
  );
  const isEditorInFront = hasFiles && front === "editor";
  return (
    <main class="project">
      {narrow && tree && <div class="drawer">{tree}</div>}
      {narrow && hasFiles && <FrontSwitch front={front} onFront={setFront} />}
      <Split
        direction="row"
        name="tree"
        label="Width of the file tree"
        initial={0.2}
        min={0.1}
        max={0.5}
        show={tree && !narrow ? "both" : "second"}
        first={!narrow && tree}
        second={
          <Split
            direction="column"
            name="editor"
            label="Height of the editor"
            initial={0.55}
            min={0.15}
            max={0.85}
            show={panes(hasFiles, narrow, isEditorInFront)}
            first={hasFiles && <EditorPane documents={documents} canWrite={canWrite} />}
            second={
              <TerminalPane
                terminals={terminals}
                projectName={project.name}
                waitingReason={waitingReason}
              />
            }
          />
        }
      />
    </main>
  );
}

function panes(hasFiles: boolean, narrow: boolean, isEditorInFront: boolean) {
  if (!hasFiles) return "second";
  if (!narrow) return "both";
  return isEditorInFront ? "first" : "second";
}

interface FrontSwitchProps {
  front: "editor" | "terminal";
  onFront: (front: "editor" | "terminal") => void;
}

/** On a narrow page either the editor or the terminals are in front. */
function FrontSwitch({ front, onFront }: FrontSwitchProps) {
  return (
    <fieldset class="front-switch" aria-label="In front">
      {(["editor", "terminal"] as const).map((pane) => (
        <button
          key={pane}
          type="button"
          aria-pressed={front === pane}
          onClick={() => onFront(pane)}
        >
          {pane === "editor" ? "Editor" : "Terminal"}
        </button>
      ))}
    </fieldset>
  );
}
