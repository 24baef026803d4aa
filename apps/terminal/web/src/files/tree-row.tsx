import { Icon, type MenuItem, useContextMenu } from "@tidegate/ui";
import { fileAddress } from "../api/files.ts";
import { startMove } from "./drag.ts";
import type { FileWish } from "./file-dialogs.tsx";
import type { ProjectFiles } from "./files.ts";
import { bytesInWords, nameOf, type Row } from "./tree.ts";

/** Pixels; the style sheet has the same. */
export const ROW_HEIGHT = 26;

interface TreeRowProps {
  row: Row;
  /** Where it stands among all rows, from 0. */
  index: number;
  files: ProjectFiles;
  canWrite: boolean;
  isOpenFile: boolean;
  isCurrent: boolean;
  isTarget: boolean;
  onActivate: () => void;
  onWish: (wish: FileWish) => void;
}

export function TreeRow(props: TreeRowProps) {
  const { row, index, files, canWrite, isOpenFile, isCurrent, isTarget, onActivate, onWish } =
    props;
  const context = useContextMenu(`Actions for ${row.name}`, rowMenu(row, files, canWrite, onWish));
  const classes = [
    "tree-row",
    isOpenFile && "tree-row-open",
    isCurrent && "tree-row-current",
    isTarget && "tree-row-target",
  ];
  return (
    <>
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the tree handles keys for its current row. */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: the tree has the focus and names its current row. */}
      <div
        id={rowId(row.path)}
        role="treeitem"
        class={classes.filter(Boolean).join(" ")}
        style={{ top: `${index * ROW_HEIGHT}px`, "--depth": row.depth }}
        aria-level={row.depth + 1}
        aria-selected={isOpenFile}
        {...(row.kind === "folder" ? { "aria-expanded": row.isOpen } : {})}
        title={row.kind === "file" ? `${row.path} · ${bytesInWords(row.size)}` : row.path}
        draggable={canWrite}
        data-path={row.path}
        onClick={onActivate}
        onContextMenu={context.open}
        onDragStart={(event) => startMove(event, row.path)}
      >
        <span class={row.isOpen ? "tree-twist tree-twist-open" : "tree-twist"}>
          {row.kind === "folder" && <Icon name="chevronRight" />}
        </span>
        <Icon name={row.kind} />
        <span class="tree-name">{row.name}</span>
        <span
          class="tree-more"
          aria-hidden="true"
          onClick={(event) => {
            event.stopPropagation();
            context.open(event);
          }}
        >
          <Icon name="more" />
        </span>
      </div>
      {context.menu}
    </>
  );
}

export function rowId(path: string): string {
  return `file-${encodeURIComponent(path)}`;
}

export function rowMenu(
  row: Row,
  files: ProjectFiles,
  canWrite: boolean,
  onWish: (wish: FileWish) => void,
): readonly MenuItem[] {
  const reading = row.kind === "file" ? [downloading(files, row), copying(row)] : [copying(row)];
  if (!canWrite) return reading;
  return [
    ...(row.kind === "folder" ? making(row, onWish) : []),
    ...reading,
    {
      label: "Rename or move",
      icon: "pencil",
      keys: "F2",
      run: () => onWish({ kind: "rename", row }),
    },
    {
      label: "Delete",
      icon: "trash",
      keys: "Del",
      isDangerous: true,
      run: () => files.remove(row),
    },
  ];
}

function making({ path }: Row, onWish: (wish: FileWish) => void): readonly MenuItem[] {
  return [
    { label: "New file", icon: "fileAdd", run: () => onWish({ kind: "file", folder: path }) },
    { label: "New folder", icon: "folderAdd", run: () => onWish({ kind: "folder", folder: path }) },
  ];
}

function downloading(files: ProjectFiles, { path }: Row): MenuItem {
  const run = () => {
    const link = document.createElement("a");
    link.href = fileAddress(files.project, path);
    link.download = nameOf(path);
    link.click();
  };
  return { label: "Download", icon: "download", run };
}

function copying({ path }: Row): MenuItem {
  return { label: "Copy path", icon: "copy", run: () => void navigator.clipboard.writeText(path) };
}
