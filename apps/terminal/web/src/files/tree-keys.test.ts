import { expect, test } from "vitest";
import { visibleRows } from "./tree.ts";
import { treeIntent } from "./tree-keys.ts";

const TREE = {
  files: ["README.md", "src/a.ts"].map((path) => ({ path, size: 1 })),
  folders: ["src"],
};
const OPEN = visibleRows(TREE, new Set(["src"]), "");
const CLOSED = visibleRows(TREE, new Set(), "");

test("right opens a closed folder and then goes into it", () => {
  expect(treeIntent("ArrowRight", CLOSED, 0)).toEqual({ kind: "fold", isOpen: true });
  expect(treeIntent("ArrowRight", OPEN, 0)).toEqual({ kind: "go", to: 1 });
});

test("left goes to the folder a file is in and then closes it", () => {
  expect(treeIntent("ArrowLeft", OPEN, 1)).toEqual({ kind: "go", to: 0 });
  expect(treeIntent("ArrowLeft", OPEN, 0)).toEqual({ kind: "fold", isOpen: false });
});

test("moving stops at both ends", () => {
  expect(treeIntent("k", OPEN, 0)).toEqual({ kind: "go", to: 0 });
  expect(treeIntent("j", OPEN, 2)).toEqual({ kind: "go", to: 2 });
});

test("other keys are left to the page", () => {
  expect(treeIntent("x", OPEN, 0)).toBeUndefined();
});
