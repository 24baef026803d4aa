/**
 * Removals that wait a moment, so that they can be undone.
 *
 * Something removed leaves the page at once and the service after the toast has gone. Leaving the
 * page performs what still waits.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { closeToast, showToast } from "@tidegate/ui";
import { tellFailure } from "./failure.ts";

/** Seconds in which a removal can be undone. */
const GRACE = 6;

interface Waiting {
  readonly perform: (isLeaving: boolean) => Promise<void>;
  readonly toast: number;
  readonly timer: ReturnType<typeof setTimeout>;
}

export class Removals {
  readonly #waiting = signal<ReadonlyMap<string, Waiting>>(new Map());
  readonly #flush = () => this.flush();

  constructor() {
    addEventListener("pagehide", this.#flush);
  }

  /** Ids that are gone from the page, though perhaps not yet from the service. */
  readonly hidden: ReadonlySignal<ReadonlySet<string>> = computed(
    () => new Set(this.#waiting.value.keys()),
  );

  /** Hide `id` now and `perform` its removal later, unless it is undone. */
  remove(id: string, text: string, perform: (isLeaving: boolean) => Promise<void>): void {
    const toast = showToast({
      text,
      stays: GRACE,
      action: { label: "Undo", run: () => this.#forget(id) },
    });
    const timer = setTimeout(() => void this.#perform(id, false), GRACE * 1000);
    this.#waiting.value = new Map(this.#waiting.value).set(id, { perform, toast, timer });
  }

  /** Perform everything that waits, now. */
  flush(): void {
    for (const id of this.#waiting.peek().keys()) void this.#perform(id, true);
  }

  dispose(): void {
    removeEventListener("pagehide", this.#flush);
    this.flush();
  }

  async #perform(id: string, isLeaving: boolean): Promise<void> {
    const waiting = this.#waiting.peek().get(id);
    if (!waiting) return;
    clearTimeout(waiting.timer);
    closeToast(waiting.toast);
    try {
      await waiting.perform(isLeaving);
    } catch (error) {
      tellFailure("It could not be removed, so it is back.", error);
    }
    this.#forget(id);
  }

  #forget(id: string): void {
    const left = new Map(this.#waiting.value);
    clearTimeout(left.get(id)?.timer);
    left.delete(id);
    this.#waiting.value = left;
  }
}
