import { useEffect, useRef, useState } from "preact/hooks";
import type { FileWish } from "./file-dialogs.tsx";
import type { ProjectFiles } from "./files.ts";
import { isWithin, type Row } from "./tree.ts";
import { treeIntent } from "./tree-keys.ts";
import { ROW_HEIGHT, rowId, TreeRow } from "./tree-row.tsx";

/** Rows drawn above and below what is seen, so that scrolling never shows a blank. */
const MARGIN_ROWS = 12;

interface TreeRowsProps {
  files: ProjectFiles;
  rows: readonly Row[];
  canWrite: boolean;
  openPath: string | undefined;
  /** The folder a drag would drop into. */
  target: string | undefined;
  onOpen: (path: string) => void;
  onWish: (wish: FileWish) => void;
}

/** The rows in sight and a few around them: a project may have thousands. */
export function TreeRows(props: TreeRowsProps) {
  const { files, rows, canWrite, openPath, target, onOpen, onWish } = props;
  const box = useRef<HTMLDivElement>(null);
  const [currentPath, setCurrentPath] = useState(openPath);
  const at = Math.max(
    0,
    rows.findIndex((row) => row.path === currentPath),
  );
  const current = rows[at];
  const { first, last, measure } = useWindow(box);
  useEffect(() => {
    if (openPath === undefined) return;
    files.reveal(openPath);
    setCurrentPath(openPath);
  }, [openPath, files]);
  const activate = (row: Row) => {
    setCurrentPath(row.path);
    if (row.kind === "folder") files.toggle(row.path);
    else onOpen(row.path);
  };
  const press = (event: KeyboardEvent) => {
    if (!current || event.ctrlKey || event.metaKey || event.altKey) return;
    const intent = treeIntent(event.key, rows, at);
    if (!intent) return;
    event.preventDefault();
    switch (intent.kind) {
      case "go":
        setCurrentPath(rows[intent.to]?.path);
        scrollToRow(box.current, intent.to);
        return;
      case "activate":
        return activate(current);
      case "fold":
        return files.toggle(current.path, intent.isOpen);
      case "menu":
        return openMenu(current);
      case "rename":
        return canWrite ? onWish({ kind: "rename", row: current }) : undefined;
      case "delete":
        return canWrite ? files.remove(current) : undefined;
    }
  };
  return (
    <div
      ref={box}
      class="tree"
      role="tree"
      aria-label="Project files"
      tabIndex={0}
      aria-activedescendant={current && rowId(current.path)}
      onScroll={measure}
      onKeyDown={press}
    >
      <div class="tree-rows" role="none" style={{ height: `${rows.length * ROW_HEIGHT}px` }}>
        {rows.slice(first, last).map((row, offset) => (
          <TreeRow
            key={row.path}
            row={row}
            index={first + offset}
            files={files}
            canWrite={canWrite}
            isOpenFile={row.path === openPath}
            isCurrent={row === current}
            isTarget={target !== undefined && target !== "" && isWithin(row.path, target)}
            onActivate={() => activate(row)}
            onWish={onWish}
          />
        ))}
      </div>
    </div>
  );
}

/** Which rows to draw, following the scroll position and the height of `box`. */
function useWindow(box: { current: HTMLElement | null }) {
  const [view, setView] = useState({ top: 0, height: 800 });
  const measure = () => {
    if (box.current) setView({ top: box.current.scrollTop, height: box.current.clientHeight });
  };
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => {
      setView({ top: element.scrollTop, height: element.clientHeight });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  const first = Math.max(0, Math.floor(view.top / ROW_HEIGHT) - MARGIN_ROWS);
  const last = Math.ceil((view.top + view.height) / ROW_HEIGHT) + MARGIN_ROWS;
  return { first, last, measure };
}

/** What the right button does on the row. */
function openMenu({ path }: Row): void {
  const element = document.getElementById(rowId(path));
  const box = element?.getBoundingClientRect();
  if (!element || !box) return;
  const place = { clientX: box.left + 40, clientY: box.bottom };
  element.dispatchEvent(
    new MouseEvent("contextmenu", { ...place, bubbles: true, cancelable: true }),
  );
}

function scrollToRow(box: HTMLElement | null, index: number): void {
  if (!box) return;
  const top = index * ROW_HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  const bottom = top + ROW_HEIGHT - box.clientHeight;
  if (bottom > box.scrollTop) box.scrollTop = bottom;
}
