import { expect, test } from "vitest";
import { decode, list, moment, number, object, optional, text } from "./decode.ts";
import { terminalEvent } from "./terminal.ts";

test("a wrong field is named by its place", () => {
  const shape = object({ files: list(object({ size: number })) });
  expect(() => decode(shape, { files: [{ size: 1 }, { size: "2" }] }, "listing")).toThrow(
    'expected a number at listing.files[1].size, found "2"',
  );
});

test("fields of a newer server are ignored and absent optional ones are undefined", () => {
  const shape = object({ name: text, note: optional(text) });
  expect(decode(shape, { name: "a", added: 1 }, "x")).toEqual({ name: "a", note: undefined });
});

test("a moment is read from milliseconds and from an ISO date", () => {
  expect(decode(moment, 1_000, "x")).toBe(1_000);
  expect(decode(moment, "1970-01-01T00:00:01Z", "x")).toBe(1_000);
});

test("an event of an unknown type is kept as other instead of failing the stream", () => {
  expect(decode(terminalEvent, { type: "hologram" }, "event")).toEqual({ type: "other" });
});

test("an exit without a code keeps its reason", () => {
  const event = decode(
    terminalEvent,
    { type: "exit", job: "j1", code: null, reason: "worker lost" },
    "event",
  );
  expect(event).toMatchObject({ type: "exit", code: undefined, reason: "worker lost" });
});
