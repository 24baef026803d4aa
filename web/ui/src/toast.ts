/** Short messages at the edge of the page, some of which can be undone. */

import { signal } from "@preact/signals";

export type ToastTone = "plain" | "done" | "wait" | "fail";

export interface Toast {
  readonly id: number;
  readonly tone: ToastTone;
  readonly text: string;
  /** Facts a person may want to copy into a report. */
  readonly detail?: string;
  readonly action?: { readonly label: string; readonly run: () => void };
  /** Seconds on the page; a failure stays until it is closed. */
  readonly stays: number;
}

export type ToastWish = Omit<Toast, "id" | "stays" | "tone"> &
  Partial<Pick<Toast, "stays" | "tone">>;

/** Toasts kept at once; the oldest goes when another comes. */
const CAPACITY = 4;

export const toasts = signal<readonly Toast[]>([]);
let lastId = 0;

/** Show a toast and return its id. */
export function showToast(wish: ToastWish): number {
  lastId += 1;
  const tone = wish.tone ?? "plain";
  const stays = wish.stays ?? (tone === "fail" ? Number.POSITIVE_INFINITY : 6);
  toasts.value = [...toasts.value, { ...wish, id: lastId, tone, stays }].slice(-CAPACITY);
  return lastId;
}

export function closeToast(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
