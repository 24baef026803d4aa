/** Something fetched: where it stands, for views that show loading, failed and ready. */

import { type ReadonlySignal, signal } from "@preact/signals";

export type Remote<T> =
  | { readonly kind: "loading" }
  | { readonly kind: "ready"; readonly value: T }
  | { readonly kind: "failed"; readonly error: unknown };

/** Fetches on `load`; a reload keeps the old value until the new one is there. */
export class Resource<T> {
  readonly #state = signal<Remote<T>>({ kind: "loading" });
  #turn = 0;

  constructor(readonly fetch: () => Promise<T>) {}

  get state(): ReadonlySignal<Remote<T>> {
    return this.#state;
  }

  get value(): T | undefined {
    const state = this.#state.value;
    return state.kind === "ready" ? state.value : undefined;
  }

  /** The answer of the last `load` counts, whatever order answers come in. */
  async load(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    if (this.#state.peek().kind === "failed") this.#state.value = { kind: "loading" };
    try {
      const value = await this.fetch();
      if (turn === this.#turn) this.#state.value = { kind: "ready", value };
    } catch (error) {
      if (turn === this.#turn && this.#state.peek().kind !== "ready") {
        this.#state.value = { kind: "failed", error };
      }
    }
  }

  /** Show a change before the service confirms it. */
  set(value: T): void {
    this.#turn += 1;
    this.#state.value = { kind: "ready", value };
  }
}
