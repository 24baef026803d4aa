import { beforeEach, expect, test } from "vitest";
import { closeToast, showToast, toasts } from "./toast.ts";

beforeEach(() => {
  toasts.value = [];
});

test("a failure stays until it is closed", () => {
  const id = showToast({ text: "Could not save", tone: "fail" });
  expect(toasts.value[0]?.stays).toBe(Number.POSITIVE_INFINITY);
  closeToast(id);
  expect(toasts.value).toEqual([]);
});

test("a fifth toast pushes the oldest out", () => {
  for (const text of ["1", "2", "3", "4", "5"]) showToast({ text });
  expect(toasts.value.map((toast) => toast.text)).toEqual(["2", "3", "4", "5"]);
});
