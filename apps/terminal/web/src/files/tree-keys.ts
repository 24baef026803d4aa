/** What a key means in the file tree. Pure. */

import { parentOf, type Row } from "./tree.ts";

export type TreeIntent =
  | { readonly kind: "go"; readonly to: number }
  | { readonly kind: "activate" }
  | { readonly kind: "fold"; readonly isOpen: boolean }
  | { readonly kind: "menu" }
  | { readonly kind: "rename" }
  | { readonly kind: "delete" };

/** The intent of `key` on row `at`, or nothing if the tree has no use for it. */
export function treeIntent(key: string, rows: readonly Row[], at: number): TreeIntent | undefined {
  const row = rows[at];
  if (!row) return undefined;
  const go = (to: number): TreeIntent => ({
    kind: "go",
    to: Math.max(0, Math.min(rows.length - 1, to)),
  });
  switch (key) {
    case "ArrowDown":
    case "j":
      return go(at + 1);
    case "ArrowUp":
    case "k":
      return go(at - 1);
    case "Home":
      return go(0);
    case "End":
      return go(rows.length - 1);
    case "ArrowRight":
      return row.kind === "folder" && !row.isOpen ? { kind: "fold", isOpen: true } : go(at + 1);
    case "ArrowLeft":
      return row.isOpen
        ? { kind: "fold", isOpen: false }
        : go(rows.findIndex((other) => other.path === parentOf(row.path)));
    case "Enter":
    case " ":
      return { kind: "activate" };
    case "ContextMenu":
    case "m":
      return { kind: "menu" };
    case "F2":
      return { kind: "rename" };
    case "Delete":
      return { kind: "delete" };
    default:
      return undefined;
  }
}
