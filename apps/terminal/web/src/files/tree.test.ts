import { expect, test } from "vitest";
import { bytesInWords, pathProblem, type Tree, visibleRows } from "./tree.ts";

const TREE: Tree = {
  files: ["README.md", "src/lib/a.ts", "src/file10.ts", "src/file9.ts"].map((path) => ({
    path,
    size: 1,
  })),
  folders: ["empty", "src"],
};

const drawn = (open: string[], filter = "", hidden: string[] = []) =>
  visibleRows(TREE, new Set(open), filter, new Set(hidden)).map(
    (row) => `${"  ".repeat(row.depth)}${row.name}${row.kind === "folder" ? "/" : ""}`,
  );

test("folders come first, closed, and names count like people do", () => {
  expect(drawn([])).toEqual(["empty/", "src/", "README.md"]);
  expect(drawn(["src"])).toEqual([
    "empty/",
    "src/",
    "  lib/",
    "  file9.ts",
    "  file10.ts",
    "README.md",
  ]);
});

test("a filter opens the folders above its matches", () => {
  expect(drawn([], "a.ts")).toEqual(["src/", "  lib/", "    a.ts"]);
  expect(drawn([], "src 10")).toEqual(["src/", "  file10.ts"]);
});

test("what is being removed is hidden with everything below it", () => {
  expect(drawn(["src"], "", ["src"])).toEqual(["empty/", "README.md"]);
});

test("a path that leads outside or collides is refused with the reason", () => {
  const taken = new Set(["a.txt"]);
  expect(pathProblem("../a", taken)).toContain("cannot be names");
  expect(pathProblem("/etc/passwd", taken)).toContain("relative");
  expect(pathProblem("a.txt", taken)).toBe("a.txt exists already.");
  expect(pathProblem("src/new.ts", taken)).toBeUndefined();
});

test("sizes are told with at most one decimal", () => {
  expect([999, 1_500, 20_000, 123_456_789].map(bytesInWords)).toEqual([
    "999 B",
    "1.5 kB",
    "20 kB",
    "123 MB",
  ]);
});
