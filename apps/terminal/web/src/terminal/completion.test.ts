import { expect, test } from "vitest";
import { completed } from "./completion.ts";

const at = (text: string) => ({ text, cursor: text.length });

test("one file is completed and followed by a space, one folder is not", () => {
  expect(completed(at("cat RE"), { start: 4, options: ["README.md"] })).toEqual({
    kind: "insert",
    line: at("cat README.md "),
  });
  expect(completed(at("cd s"), { start: 3, options: ["src/"] })).toEqual({
    kind: "insert",
    line: at("cd src/"),
  });
});

test("several options add what they share and are offered", () => {
  expect(completed(at("cat te"), { start: 4, options: ["test_a.py", "test_b.py"] })).toEqual({
    kind: "choose",
    line: at("cat test_"),
    start: 4,
    options: ["test_a.py", "test_b.py"],
  });
});

test("text behind the cursor stays", () => {
  const line = { text: "cp RE dest", cursor: 5 };
  expect(completed(line, { start: 3, options: ["README.md"] })).toEqual({
    kind: "insert",
    line: { text: "cp README.md dest", cursor: 12 },
  });
});

test("no option changes nothing", () => {
  expect(completed(at("cat zz"), { start: 4, options: [] })).toEqual({ kind: "nothing" });
});
