/** The queue and the tasks behind the terminals, pushed by the service. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { readStatus } from "../api/status.ts";
import type { Gateway } from "../connection/gateway.ts";
import { decode } from "../wire/decode.ts";
import { type SystemStatus, systemStatus } from "../wire/status.ts";

const CHANNEL = "tidegate:status";

export interface StatusReport {
  readonly status: SystemStatus;
  /** When it was true, milliseconds since 1970. */
  readonly at: number;
}

export class StatusFeed {
  readonly #report = signal<StatusReport | undefined>(undefined);
  readonly #stop: () => void;

  constructor(gateway: Gateway) {
    this.#stop = gateway.follow(CHANNEL, {
      onSubscribed: () => void this.#read(),
      onData: (data) => this.#take(data),
      onDenied: () => void this.#read(),
    });
  }

  get report(): ReadonlySignal<StatusReport | undefined> {
    return this.#report;
  }

  dispose(): void {
    this.#stop();
  }

  async #read(): Promise<void> {
    try {
      this.#report.value = { status: await readStatus(), at: Date.now() };
    } catch {
      // The strip then shows the last report with its age; the next push replaces it.
    }
  }

  #take(data: unknown): void {
    try {
      this.#report.value = { status: decode(systemStatus, data, CHANNEL), at: Date.now() };
    } catch {
      void this.#read();
    }
  }
}
