/** Dragging in the tree: files from outside are uploaded, rows are moved. */

import type { ProjectFiles } from "./files.ts";
import { isWithin, joined, nameOf, parentOf, type Row } from "./tree.ts";
import { dropped } from "./upload.ts";

const MOVE_TYPE = "application/x-tidegate-path";

export function startMove(event: DragEvent, path: string): void {
  event.dataTransfer?.setData(MOVE_TYPE, path);
}

/** Whether something the tree can take is over it. */
export function isWelcome({ dataTransfer }: DragEvent): boolean {
  const types = dataTransfer?.types ?? [];
  return types.includes("Files") || types.includes(MOVE_TYPE);
}

/** The folder a drop would go to: the one under the pointer, or the one its file is in. */
export function folderUnder(target: EventTarget | null, rows: readonly Row[]): string {
  const element = target instanceof Element ? target.closest<HTMLElement>("[data-path]") : null;
  const row = rows.find((other) => other.path === element?.dataset.path);
  if (!row) return "";
  return row.kind === "folder" ? row.path : parentOf(row.path);
}

export function takeDrop(files: ProjectFiles, transfer: DataTransfer, folder: string): void {
  const moved = transfer.getData(MOVE_TYPE);
  if (moved === "") {
    void dropped(transfer).then((uploads) => files.upload(folder, uploads));
    return;
  }
  const to = joined(folder, nameOf(moved));
  if (to !== moved && !isWithin(folder, moved)) void files.moveOrTell(moved, to);
}
