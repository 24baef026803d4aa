import { expect, test } from "vitest";
import { parseRoute, type Route, routeAddress } from "./route.ts";

test("every address leads back to its view", () => {
  const views: Route[] = [
    { kind: "projects" },
    { kind: "project", id: "p1", terminal: undefined, file: undefined },
    { kind: "project", id: "p1", terminal: "t2", file: "src/a b.js" },
    { kind: "invite", token: "abc" },
  ];
  for (const view of views) {
    const { pathname, search } = new URL(routeAddress(view), "http://localhost");
    expect(parseRoute(pathname, search)).toEqual(view);
  }
});

test("an address of nothing is told as such", () => {
  expect(parseRoute("/nowhere/at/all", "")).toEqual({ kind: "unknown", path: "/nowhere/at/all" });
});
