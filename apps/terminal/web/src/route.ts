/** The page's addresses: `/`, `/p/{project}?terminal=…&file=…` and `/invite/{token}`. */

import { signal } from "@preact/signals";

export type Route =
  | { readonly kind: "projects" }
  | {
      readonly kind: "project";
      readonly id: string;
      readonly terminal: string | undefined;
      readonly file: string | undefined;
    }
  | { readonly kind: "invite"; readonly token: string }
  | { readonly kind: "unknown"; readonly path: string };

export function parseRoute(path: string, search: string): Route {
  const [first, second, ...rest] = path.split("/").filter(Boolean).map(decodeURIComponent);
  if (first === undefined) return { kind: "projects" };
  if (first === "p" && second !== undefined && rest.length === 0) {
    const query = new URLSearchParams(search);
    return {
      kind: "project",
      id: second,
      terminal: query.get("terminal") ?? undefined,
      file: query.get("file") ?? undefined,
    };
  }
  if (first === "invite" && second !== undefined) return { kind: "invite", token: second };
  return { kind: "unknown", path };
}

export function routeAddress(route: Route): string {
  switch (route.kind) {
    case "projects":
      return "/";
    case "project": {
      const query = new URLSearchParams();
      if (route.terminal !== undefined) query.set("terminal", route.terminal);
      if (route.file !== undefined) query.set("file", route.file);
      const tail = query.size > 0 ? `?${query}` : "";
      return `/p/${encodeURIComponent(route.id)}${tail}`;
    }
    case "invite":
      return `/invite/${encodeURIComponent(route.token)}`;
    case "unknown":
      return route.path;
  }
}

function here(): Route {
  return parseRoute(location.pathname, location.search);
}

/** A project as it is opened first, with nothing of it chosen. */
export function projectRoute(id: string): Route {
  return { kind: "project", id, terminal: undefined, file: undefined };
}

export const route = signal<Route>({ kind: "projects" });

/** Follow the address bar; call once. */
export function startRouting(): void {
  route.value = here();
  addEventListener("popstate", () => {
    route.value = here();
  });
}

export function go(to: Route): void {
  history.pushState(null, "", routeAddress(to));
  route.value = to;
}

/** Change what the address says about this view without a step in the browser's history. */
export function amend(change: {
  readonly terminal?: string;
  readonly file?: string | undefined;
}): void {
  const now = route.peek();
  if (now.kind !== "project") return;
  const next = { ...now, ...change };
  if (routeAddress(next) === routeAddress(now)) return;
  history.replaceState(null, "", routeAddress(next));
  route.value = next;
}

/** For links: a plain click stays on the page, any other click is the browser's. */
export function follow(to: Route): (event: MouseEvent) => void {
  return (event) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go(to);
  };
}
