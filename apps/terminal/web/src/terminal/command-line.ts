/** The line a command is typed on: editing, history, search and completion, without a DOM. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Completion } from "../wire/terminal.ts";
import { accepted, completed, type Line } from "./completion.ts";
import { searched, stepped, type Walk } from "./history.ts";
import { edited, isOnFirstLine, isOnLastLine } from "./line-edit.ts";

/** Search results shown at once. */
const SEARCH_LIMIT = 8;

export type Popup =
  | { readonly kind: "none" }
  | {
      readonly kind: "options";
      readonly start: number;
      readonly options: readonly string[];
      readonly at: number;
    }
  | { readonly kind: "search"; readonly draft: string; readonly at: number };

export interface LineTools {
  history(): readonly string[];
  complete(line: Line, signal: AbortSignal): Promise<Completion>;
  /** Queue a command; a rejection puts it back on the line. */
  run(command: string): Promise<void>;
  clearScreen(): void;
  scrollPages(pages: number): void;
  tell(what: string, error: unknown): void;
}

export type LineKey = Pick<KeyboardEvent, "altKey" | "ctrlKey" | "key" | "metaKey" | "shiftKey">;

const CLOSED: Popup = { kind: "none" };
const EMPTY: Line = { text: "", cursor: 0 };

export class CommandLine {
  readonly #line = signal<Line>(EMPTY);
  readonly #popup = signal<Popup>(CLOSED);
  #walk: Walk | undefined;
  #asking: AbortController | undefined;

  constructor(readonly tools: LineTools) {}

  get line(): ReadonlySignal<Line> {
    return this.#line;
  }

  get popup(): ReadonlySignal<Popup> {
    return this.#popup;
  }

  /** What the open popup offers, best first. */
  readonly choices: ReadonlySignal<readonly string[]> = computed(() => {
    const popup = this.#popup.value;
    if (popup.kind === "options") return popup.options;
    if (popup.kind === "none") return [];
    return searched(this.tools.history(), this.#line.value.text, SEARCH_LIMIT);
  });

  /** The person typed: the field now holds this. */
  typed(line: Line): void {
    const popup = this.#popup.peek();
    this.#walk = undefined;
    this.#put(line, popup.kind === "search" ? { ...popup, at: 0 } : CLOSED);
  }

  /** The caret moved in the field. */
  moved(cursor: number): void {
    const line = this.#line.peek();
    if (cursor !== line.cursor) this.#line.value = { ...line, cursor };
  }

  /** A key; true if it is dealt with and the field should not see it. */
  press(key: LineKey): boolean {
    return this.#pressInPopup(key) || this.#pressControl(key) || this.#pressPlain(key);
  }

  choose(index: number): void {
    const popup = this.#popup.peek();
    const choice = this.choices.peek()[index];
    const line = this.#line.peek();
    if (choice === undefined) this.#popup.value = CLOSED;
    else if (popup.kind === "options") this.#put(accepted(line, popup.start, choice));
    else this.#putWhole(choice);
  }

  closePopup(): void {
    this.#popup.value = CLOSED;
  }

  #pressInPopup(key: LineKey): boolean {
    const popup = this.#popup.peek();
    if (popup.kind === "none") return false;
    switch (key.key) {
      case "ArrowDown":
        return this.#moveChoice(1);
      case "ArrowUp":
        return this.#moveChoice(-1);
      case "Tab":
        if (popup.kind === "options") return this.#moveChoice(key.shiftKey ? -1 : 1);
        this.choose(popup.at);
        return true;
      case "Enter":
        this.choose(popup.at);
        return true;
      case "Escape":
        if (popup.kind === "search") this.#putWhole(popup.draft);
        this.#popup.value = CLOSED;
        return true;
      default:
        return popup.kind === "search" && key.ctrlKey && key.key === "r" && this.#moveChoice(1);
    }
  }

  #moveChoice(by: number): true {
    const popup = this.#popup.peek();
    const count = this.choices.peek().length;
    if (popup.kind !== "none" && count > 0) {
      this.#popup.value = { ...popup, at: (popup.at + by + count) % count };
    }
    return true;
  }

  #pressControl({ ctrlKey, altKey, metaKey, key }: LineKey): boolean {
    if (!ctrlKey || altKey || metaKey) return false;
    const line = this.#line.peek();
    switch (key.toLowerCase()) {
      case "c":
        this.#putWhole("");
        return true;
      case "l":
        this.tools.clearScreen();
        return true;
      case "r":
        this.#popup.value = { kind: "search", draft: line.text, at: 0 };
        return true;
      default: {
        const next = edited(line, key.toLowerCase());
        if (next) this.#put(next);
        return next !== undefined;
      }
    }
  }

  #pressPlain({ key, shiftKey }: LineKey): boolean {
    const line = this.#line.peek();
    switch (key) {
      case "Enter":
        if (!shiftKey) void this.#submit();
        return !shiftKey;
      case "Tab":
        // On an empty line Tab leaves it, as everywhere on the page.
        if (shiftKey || line.text.trim() === "") return false;
        void this.#complete();
        return true;
      case "ArrowUp":
        return isOnFirstLine(line) && this.#step(-1);
      case "ArrowDown":
        return isOnLastLine(line) && this.#step(1);
      case "PageUp":
      case "PageDown":
        this.tools.scrollPages(key === "PageUp" ? -1 : 1);
        return true;
      default:
        return false;
    }
  }

  async #submit(): Promise<void> {
    const command = this.#line.peek().text.trimEnd();
    if (command.trim() === "") return;
    this.#walk = undefined;
    // At once, so that what is typed next is not added to it.
    this.#putWhole("");
    try {
      await this.tools.run(command);
    } catch (error) {
      if (this.#line.peek().text === "") this.#putWhole(command);
      this.tools.tell("The command was not queued.", error);
    }
  }

  async #complete(): Promise<void> {
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const before = this.#line.peek();
    try {
      const result = completed(before, await this.tools.complete(before, asking.signal));
      // Typing went on meanwhile: the answer is to a question nobody asks any more.
      if (asking.signal.aborted || this.#line.peek() !== before) return;
      if (result.kind === "insert") this.#put(result.line);
      if (result.kind !== "choose") return;
      this.#put(result.line, {
        kind: "options",
        start: result.start,
        options: result.options,
        at: 0,
      });
    } catch (error) {
      if (!asking.signal.aborted) this.tools.tell("Completion did not answer.", error);
    }
  }

  #step(by: -1 | 1): boolean {
    const history = this.tools.history();
    const from = this.#walk ?? { draft: this.#line.peek().text, at: history.length };
    const next = stepped(history, from, by);
    if (!next) return false;
    this.#walk = next.walk;
    this.#putWhole(next.text);
    return true;
  }

  #putWhole(text: string): void {
    this.#put({ text, cursor: text.length });
  }

  #put(line: Line, popup: Popup = CLOSED): void {
    batch(() => {
      this.#line.value = line;
      this.#popup.value = popup;
    });
  }
}
