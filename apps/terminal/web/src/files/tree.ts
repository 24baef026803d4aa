/** The file tree as rows: building, folding and filtering it. Pure. */

import type { FileEntry } from "../wire/files.ts";

export interface Row {
  readonly path: string;
  readonly name: string;
  readonly depth: number;
  readonly kind: "file" | "folder";
  readonly isOpen: boolean;
  readonly size: number;
}

interface Folder {
  readonly folders: Map<string, Folder>;
  readonly files: Map<string, FileEntry>;
}

export interface Tree {
  readonly files: readonly Pick<FileEntry, "path" | "size">[];
  /** Folders that exist even without files. */
  readonly folders: readonly string[];
}

/** Rows from the top, folders first; with a filter, every match with the folders above it. */
export function visibleRows(
  tree: Tree,
  open: ReadonlySet<string>,
  filter: string,
  hidden: ReadonlySet<string> = new Set(),
): readonly Row[] {
  const words = filter.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const isWanted = (path: string) =>
    !isHidden(path, hidden) && words.every((word) => path.toLowerCase().includes(word));
  const root = built(tree, isWanted);
  const rows: Row[] = [];
  collect(root, "", 0, words.length > 0 ? undefined : open, rows);
  return rows;
}

function built(tree: Tree, isWanted: (path: string) => boolean): Folder {
  const root: Folder = { folders: new Map(), files: new Map() };
  for (const path of tree.folders) if (isWanted(path)) folderAt(root, path.split("/"));
  for (const file of tree.files) {
    if (!isWanted(file.path)) continue;
    const parts = file.path.split("/");
    const name = parts.pop() ?? "";
    folderAt(root, parts).files.set(name, { hash: "", modified_at: undefined, ...file });
  }
  return root;
}

function folderAt(root: Folder, parts: readonly string[]): Folder {
  let folder = root;
  for (const part of parts.filter(Boolean)) {
    const next = folder.folders.get(part) ?? { folders: new Map(), files: new Map() };
    folder.folders.set(part, next);
    folder = next;
  }
  return folder;
}

/** `open` is undefined when every folder is to be open. */
function collect(
  folder: Folder,
  above: string,
  depth: number,
  open: ReadonlySet<string> | undefined,
  rows: Row[],
): void {
  for (const name of sorted(folder.folders.keys())) {
    const path = joined(above, name);
    const isOpen = open === undefined || open.has(path);
    rows.push({ path, name, depth, kind: "folder", isOpen, size: 0 });
    const inner = folder.folders.get(name);
    if (isOpen && inner) collect(inner, path, depth + 1, open, rows);
  }
  for (const name of sorted(folder.files.keys())) {
    const size = folder.files.get(name)?.size ?? 0;
    rows.push({ path: joined(above, name), name, depth, kind: "file", isOpen: false, size });
  }
}

const order = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function sorted(names: Iterable<string>): readonly string[] {
  return [...names].sort(order.compare);
}

export function joined(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

export function parentOf(path: string): string {
  return path.split("/").slice(0, -1).join("/");
}

export function nameOf(path: string): string {
  return path.split("/").at(-1) ?? path;
}

/** Whether `path` is `folder` or lies below it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function isHidden(path: string, hidden: ReadonlySet<string>): boolean {
  for (const gone of hidden) if (isWithin(path, gone)) return true;
  return false;
}

/** Why a path cannot be used, or nothing. `taken` are the paths that exist. */
export function pathProblem(path: string, taken: ReadonlySet<string>): string | undefined {
  const parts = path.split("/");
  if (path.startsWith("/")) return "Start with a name: paths are relative to the project.";
  if (parts.some((part) => part === "")) return "A folder between two slashes needs a name.";
  if (parts.some((part) => part === "." || part === "..")) return "“.” and “..” cannot be names.";
  if (/[\x00-\x1f\x7f\\]/.test(path))
    return "Control characters and backslashes cannot be in a name.";
  if (taken.has(path)) return `${path} exists already.`;
  return undefined;
}

export function bytesInWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB", "TB"];
  const power = Math.min(units.length, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1000 ** power;
  return `${value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[power - 1]}`;
}
