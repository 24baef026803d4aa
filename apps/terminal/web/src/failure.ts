/** Any error as what a person is told: what happened, and detail worth copying. */

import { showToast } from "@tidegate/ui";
import { ApiFailure } from "./api/http.ts";

export interface Told {
  readonly text: string;
  readonly detail: string;
}

export function told(error: unknown): Told {
  if (error instanceof ApiFailure) return { text: error.message, detail: error.detail };
  if (error instanceof Error)
    return { text: error.message, detail: `${error.name}: ${error.message}` };
  return { text: String(error), detail: String(error) };
}

/** A toast that says what could not be done and why. */
export function tellFailure(what: string, error: unknown): void {
  const { detail } = told(error);
  showToast({ tone: "fail", text: what, detail });
}

export function isForbidden(error: unknown): boolean {
  return error instanceof ApiFailure && (error.status === 403 || error.status === 401);
}

/** Where to sign in and come back to this page, if that is what a request was refused for. */
export function signInAddress(error: unknown): string | undefined {
  if (!(error instanceof ApiFailure) || error.signInAt === undefined) return undefined;
  const next = location.pathname + location.search;
  return `${error.signInAt}?${new URLSearchParams({ next })}`;
}

export function isMissing(error: unknown): boolean {
  return error instanceof ApiFailure && error.status === 404;
}
