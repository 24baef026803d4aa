import { Icon, type Shortcut, useShortcuts } from "@tidegate/ui";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { fileAddress } from "../api/files.ts";
import { tellFailure } from "../failure.ts";
import { nameOf } from "../files/tree.ts";
import { TabClose } from "../tab-close.tsx";
import { Divergence } from "./divergence.tsx";
import type { OpenDocument } from "./document.ts";
import type { Documents } from "./documents.ts";
import type { Editor } from "./editor.ts";
import { Unready } from "./unready.tsx";

interface EditorPaneProps {
  documents: Documents;
  canWrite: boolean;
}

/** The open files in tabs, above the text of the one in front. */
export function EditorPane({ documents, canWrite }: EditorPaneProps) {
  useShortcuts(useEditorKeys(documents, canWrite));
  const shown = documents.shown.value;
  return (
    <section class="editor" aria-label="Editor">
      <header class="tabs-bar">
        <div class="tabs" role="tablist" aria-label="Open files">
          {documents.open.value.map((document) => (
            <FileTab key={document.path} documents={documents} document={document} />
          ))}
        </div>
        <span class="tabs-space" />
        {shown && <FileControls documents={documents} document={shown} canWrite={canWrite} />}
      </header>
      {shown && <Divergence documents={documents} document={shown} />}
      <div class="editor-body">
        <TextArea documents={documents} canWrite={canWrite} />
        {shown && <Unready document={shown} />}
      </div>
    </section>
  );
}

function FileTab({ documents, document }: { documents: Documents; document: OpenDocument }) {
  const isShown = documents.shown.value === document;
  const isDirty = document.isDirty.value;
  const name = nameOf(document.path);
  return (
    <div class={isShown ? "tab tab-shown" : "tab"} role="presentation">
      <button
        type="button"
        role="tab"
        class="tab-name"
        aria-selected={isShown}
        title={document.path}
        onClick={() => documents.show(document.path)}
        onAuxClick={(event) => {
          if (event.button === 1) documents.close(document);
        }}
        onKeyDown={(event) => {
          if (event.key === "Delete") documents.close(document);
        }}
      >
        <Icon name="file" />
        <span class="tab-title">{name}</span>
        {isDirty && (
          <span class="mark mark-dirty">
            <span class="visually-hidden">unsaved</span>
          </span>
        )}
      </button>
      <TabClose title={name} onClose={() => documents.close(document)} />
    </div>
  );
}

interface FileControlsProps extends EditorPaneProps {
  document: OpenDocument;
}

function FileControls({ documents, document, canWrite }: FileControlsProps) {
  const isDirty = document.isDirty.value;
  const isSaving = document.isSaving.value;
  return (
    <>
      <span class="editor-path">{document.path}</span>
      <a
        class="icon-button"
        href={fileAddress(document.project, document.path)}
        download={nameOf(document.path)}
        aria-label="Download"
        title="Download"
      >
        <Icon name="download" />
      </a>
      {canWrite && (
        <button
          type="button"
          class="icon-button"
          aria-label="Save"
          title="Save (Ctrl S)"
          disabled={!isDirty || isSaving}
          onClick={() => void documents.save(document)}
        >
          <Icon name="save" />
        </button>
      )}
    </>
  );
}

function TextArea({ documents, canWrite }: EditorPaneProps) {
  const host = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<Editor>();
  useEffect(() => {
    let made: Editor | undefined;
    let isGone = false;
    import("./editor.ts").then(
      (module) => {
        if (isGone || !host.current) return;
        made = new module.Editor(host.current, canWrite);
        setEditor(made);
      },
      (error: unknown) => tellFailure("The editor could not be loaded.", error),
    );
    return () => {
      isGone = true;
      made?.dispose();
    };
  }, [canWrite]);
  const shown = documents.shown.value;
  const version = shown?.version.value ?? 0;
  const isReady = shown?.state.value.kind === "ready";
  useEffect(() => {
    if (editor && shown && isReady && version > 0) editor.show(shown);
  }, [editor, shown, isReady, version]);
  const theirs = shown?.theirs.value;
  useEffect(() => {
    editor
      ?.compare(theirs)
      .catch((error: unknown) => tellFailure("The texts could not be compared.", error));
  }, [editor, theirs]);
  return <div ref={host} class="editor-host" />;
}

function useEditorKeys(documents: Documents, canWrite: boolean): readonly Shortcut[] {
  return useMemo(() => {
    const group = "Editor";
    const save = () => {
      const shown = documents.shown.peek();
      if (shown && canWrite) void documents.save(shown);
    };
    const close = () => {
      const shown = documents.shown.peek();
      if (shown) documents.close(shown);
    };
    return [
      { keys: "mod+s", does: "Save", group, run: save, isGlobal: true },
      { keys: "alt+w", does: "Close the file", group, run: close, isGlobal: true },
      { keys: "mod+f", does: "Find in the file", group },
    ];
  }, [documents, canWrite]);
}
