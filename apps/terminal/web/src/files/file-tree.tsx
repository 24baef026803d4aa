import { Empty, Failed, Icon, type Shortcut, Skeleton, useShortcuts } from "@tidegate/ui";
import { useMemo, useRef, useState } from "preact/hooks";
import { told } from "../failure.ts";
import { folderUnder, isWelcome, takeDrop } from "./drag.ts";
import { FileDialogs, type FileWish } from "./file-dialogs.tsx";
import type { ProjectFiles } from "./files.ts";
import { visibleRows } from "./tree.ts";
import { TreeHead } from "./tree-head.tsx";
import { TreeRows } from "./tree-rows.tsx";

interface FileTreeProps {
  files: ProjectFiles;
  canWrite: boolean;
  openPath: string | undefined;
  onOpen: (path: string) => void;
}

/** The project's files, with everything that can be done to them. */
export function FileTree({ files, canWrite, openPath, onOpen }: FileTreeProps) {
  const [wish, setWish] = useState<FileWish>();
  const search = useRef<HTMLInputElement>(null);
  useShortcuts(useTreeKeys(search, canWrite, setWish));
  return (
    <section class="files" aria-label="Files">
      <TreeHead files={files} canWrite={canWrite} onWish={setWish} searchRef={search} />
      <TreeBody
        files={files}
        canWrite={canWrite}
        openPath={openPath}
        onOpen={onOpen}
        onWish={setWish}
      />
      {wish && (
        <FileDialogs files={files} wish={wish} onOpen={onOpen} onClose={() => setWish(undefined)} />
      )}
    </section>
  );
}

interface TreeBodyProps extends FileTreeProps {
  onWish: (wish: FileWish) => void;
}

function TreeBody(props: TreeBodyProps) {
  const { files, canWrite } = props;
  const [target, setTarget] = useState<string>();
  const state = files.listing.state.value;
  if (state.kind === "loading") return <Skeleton rows={7} label="Loading files" />;
  if (state.kind === "failed") {
    return (
      <Failed
        title="The files could not be listed"
        advice="The terminals still work. Try again in a moment."
        detail={told(state.error).detail}
        onRetry={() => void files.listing.load()}
      />
    );
  }
  const hidden = files.removals.hidden.value;
  const rows = visibleRows(state.value, files.open.value, files.filter.value, hidden);
  const over = (event: DragEvent) => {
    if (!canWrite || !isWelcome(event)) return;
    event.preventDefault();
    setTarget(folderUnder(event.target, rows));
  };
  const leave = ({ currentTarget, relatedTarget }: DragEvent) => {
    const isInside =
      currentTarget instanceof Node &&
      relatedTarget instanceof Node &&
      currentTarget.contains(relatedTarget);
    if (!isInside) setTarget(undefined);
  };
  const drop = (event: DragEvent) => {
    if (!canWrite || !event.dataTransfer) return;
    event.preventDefault();
    setTarget(undefined);
    takeDrop(files, event.dataTransfer, folderUnder(event.target, rows));
  };
  const isTarget = target !== undefined;
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping has its equals in the head and the menus.
    <div
      class={isTarget ? "files-body files-body-target" : "files-body"}
      onDragOver={over}
      onDragLeave={leave}
      onDrop={drop}
    >
      {rows.length > 0 ? (
        <TreeRows {...props} rows={rows} target={target} />
      ) : (
        <NoRows {...props} />
      )}
    </div>
  );
}

function NoRows({ files, canWrite, onWish }: TreeBodyProps) {
  if (files.filter.value !== "") {
    return <p class="files-none">No file matches “{files.filter.value}”.</p>;
  }
  return (
    <Empty
      icon="file"
      title="No files yet"
      actions={
        canWrite && (
          <button type="button" class="button" onClick={() => onWish({ kind: "file", folder: "" })}>
            <Icon name="fileAdd" /> New file
          </button>
        )
      }
    >
      {canWrite
        ? "Drop files here, make one, or let a command write them."
        : "Nothing has been written."}
    </Empty>
  );
}

function useTreeKeys(
  search: { current: HTMLInputElement | null },
  canWrite: boolean,
  onWish: (wish: FileWish) => void,
): readonly Shortcut[] {
  return useMemo(() => {
    const group = "Files";
    const reading: readonly Shortcut[] = [
      { keys: "/", does: "Find a file", group, run: () => search.current?.focus() },
      { keys: "j", does: "Next file", group },
      { keys: "k", does: "Previous file", group },
      { keys: "m", does: "What can be done with it", group },
    ];
    const writing: readonly Shortcut[] = [
      { keys: "n", does: "New file", group, run: () => onWish({ kind: "file", folder: "" }) },
      { keys: "f2", does: "Rename", group },
      { keys: "delete", does: "Delete, with undo", group },
    ];
    return canWrite ? [...reading, ...writing] : reading;
  }, [search, canWrite, onWish]);
}
