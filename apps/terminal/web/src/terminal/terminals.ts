/** The terminals of one project: which there are, which is shown. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { createTerminal, deleteTerminal, listTerminals } from "../api/terminals.ts";
import type { Gateway } from "../connection/gateway.ts";
import { tellFailure } from "../failure.ts";
import type { Remote } from "../remote.ts";
import { Removals } from "../undo.ts";
import type { Terminal as TerminalInfo } from "../wire/terminal.ts";
import { Terminal } from "./terminal.ts";

export interface TerminalsPlace {
  readonly project: string;
  readonly projectName: string;
  readonly gateway: Gateway;
  readonly canWrite: boolean;
  /** The terminal the address asks for, if any. */
  readonly wanted: string | undefined;
}

export class Terminals {
  readonly #all = signal<Remote<readonly Terminal[]>>({ kind: "loading" });
  readonly #shownId = signal<string | undefined>(undefined);
  readonly #removals = new Removals();

  constructor(readonly place: TerminalsPlace) {
    this.#shownId.value = place.wanted;
    void this.load();
  }

  readonly state: ReadonlySignal<Remote<readonly Terminal[]>> = computed(() => {
    const all = this.#all.value;
    if (all.kind !== "ready") return all;
    const hidden = this.#removals.hidden.value;
    return { kind: "ready", value: all.value.filter((terminal) => !hidden.has(terminal.id)) };
  });

  readonly list: ReadonlySignal<readonly Terminal[]> = computed(() => {
    const state = this.state.value;
    return state.kind === "ready" ? state.value : [];
  });

  /** The terminal in front: the one asked for, or the first. */
  readonly shown: ReadonlySignal<Terminal | undefined> = computed(() => {
    const list = this.list.value;
    return list.find((terminal) => terminal.id === this.#shownId.value) ?? list[0];
  });

  async load(): Promise<void> {
    try {
      const found = await listTerminals(this.place.project);
      const isBare = found.length === 0 && this.place.canWrite;
      const infos = isBare ? [await createTerminal(this.place.project)] : found;
      this.#all.value = { kind: "ready", value: infos.map((info) => this.#made(info)) };
    } catch (error) {
      this.#all.value = { kind: "failed", error };
    }
  }

  async open(): Promise<void> {
    try {
      const terminal = this.#made(await createTerminal(this.place.project));
      const all = this.#all.peek();
      this.#all.value = {
        kind: "ready",
        value: [...(all.kind === "ready" ? all.value : []), terminal],
      };
      this.show(terminal.id);
    } catch (error) {
      tellFailure("A new terminal could not be opened.", error);
    }
  }

  show(id: string): void {
    this.#shownId.value = id;
  }

  /** Show the terminal `by` places further, around the ends. */
  showNext(by: number): void {
    const list = this.list.peek();
    const at = list.findIndex(({ id }) => id === this.shown.peek()?.id);
    const next = list.at((at + by) % Math.max(1, list.length));
    if (next) this.show(next.id);
  }

  /** Close a terminal; can be undone, and what runs in it keeps running until then. */
  close(terminal: Terminal): void {
    if (terminal === this.shown.peek()) {
      const list = this.list.peek();
      const at = list.indexOf(terminal);
      const neighbour = list[at + 1] ?? list[at - 1];
      if (neighbour) this.show(neighbour.id);
    }
    this.#removals.remove(terminal.id, `Closed ${this.titleOf(terminal)}`, async (isLeaving) => {
      await deleteTerminal(this.place.project, terminal.id, isLeaving);
      this.#forget(terminal);
    });
  }

  /** What its tab says: the running command, or its number. */
  titleOf(terminal: Terminal): string {
    const running = terminal.current.value;
    if (running) return running.command.split("\n")[0] ?? "";
    const all = this.#all.value;
    const at = all.kind === "ready" ? all.value.indexOf(terminal) : 0;
    return terminal.place.info.title || `Terminal ${at + 1}`;
  }

  dispose(): void {
    this.#removals.dispose();
    const all = this.#all.peek();
    if (all.kind === "ready") for (const terminal of all.value) terminal.dispose();
  }

  #made(info: TerminalInfo): Terminal {
    return new Terminal({ ...this.place, info });
  }

  #forget(terminal: Terminal): void {
    const all = this.#all.peek();
    if (all.kind !== "ready") return;
    this.#all.value = { kind: "ready", value: all.value.filter((other) => other !== terminal) };
    terminal.dispose();
  }
}
