/** One xterm on the page. Loaded when the first terminal is shown. */

import { effect } from "@preact/signals";
import { theme } from "@tidegate/ui";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";
import type { ScreenSize } from "../api/terminals.ts";
import type { Drawable } from "./feed.ts";
import { keySequence, type ScreenKey } from "./screen-keys.ts";
import { cssValue, screenTheme, searchColours } from "./screen-theme.ts";
import type { Cursor } from "./transcript.ts";

/** Lines kept above the screen; the channel has the rest. */
const SCROLLBACK = 20_000;

export interface ScreenListener {
  /** Keys as a terminal sends them. */
  onKeys(data: string): void;
  onResize(size: ScreenSize): void;
  onTitle(title: string): void;
  /** The cursor's row, the view or the selection moved. */
  onMove(): void;
}

/** Where the row below the last text is drawn, in pixels from the top of the screen. */
export interface Caret {
  readonly top: number;
  readonly rowHeight: number;
  readonly isScrolledBack: boolean;
}

/** Which match is marked, counted from 1 at the top, and how many there are. */
export interface Found {
  readonly at: number;
  readonly count: number;
}

export class Screen implements Drawable {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  #found: Found = { at: 0, count: 0 };
  readonly #stopTheme: () => void;
  #movedFrame = 0;

  constructor(
    readonly host: HTMLElement,
    readonly listener: ScreenListener,
  ) {
    this.#terminal = new Terminal({
      // Marking what was found in the text needs it.
      allowProposedApi: true,
      cursorBlink: true,
      cursorInactiveStyle: "outline",
      fontFamily: cssValue("--mono"),
      fontSize: 13,
      lineHeight: 1.3,
      minimumContrastRatio: 4.5,
      overviewRuler: { width: 10 },
      scrollback: SCROLLBACK,
      smoothScrollDuration: 0,
      theme: screenTheme(),
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.loadAddon(new WebLinksAddon());
    this.#terminal.open(host);
    this.#listen();
    this.#stopTheme = effect(() => {
      // Read, so that a change of theme runs this again; the colours come from the style sheet.
      void theme.value;
      requestAnimationFrame(() => {
        this.#terminal.options.theme = screenTheme();
      });
    });
    this.fit();
  }

  get size(): ScreenSize {
    return { cols: this.#terminal.cols, rows: this.#terminal.rows };
  }

  get selection(): string {
    return this.#terminal.getSelection();
  }

  write(data: string | Uint8Array, done: () => void): void {
    this.#terminal.write(data, done);
  }

  cursor(): Cursor {
    const { active } = this.#terminal.buffer;
    return { column: active.cursorX, isAlternate: active.type === "alternate" };
  }

  caret(): Caret {
    const { active } = this.#terminal.buffer;
    const row = active.baseY + active.cursorY - active.viewportY;
    const rowHeight = this.#rowHeight();
    return { top: row * rowHeight, rowHeight, isScrolledBack: active.viewportY < active.baseY };
  }

  /** Fill the host. Does nothing while the host is hidden: there is nothing to measure. */
  fit(): void {
    if (this.host.clientWidth > 0 && this.host.clientHeight > 0) this.#fit.fit();
  }

  /** Start over: text, modes and what was scrolled away. */
  reset(): void {
    this.#terminal.reset();
  }

  /** Scroll everything away, as ctrl-L does in a shell. */
  clear(): void {
    this.#terminal.clear();
  }

  /** Mark every `text`, and go to the next one up or down. */
  find(text: string, isDown: boolean): Found {
    const options = { decorations: searchColours() };
    if (isDown) this.#search.findNext(text, options);
    else this.#search.findPrevious(text, options);
    return this.#found;
  }

  endFind(): void {
    this.#search.clearDecorations();
    this.#terminal.clearSelection();
  }

  focus(): void {
    this.#terminal.focus();
  }

  scrollToEnd(): void {
    this.#terminal.scrollToBottom();
  }

  scrollPages(pages: number): void {
    this.#terminal.scrollPages(pages);
  }

  /** Send keys as if they had been typed, in the mode the program asked for. */
  press(key: ScreenKey, isControl: boolean): void {
    this.listener.onKeys(
      keySequence(key, isControl, this.#terminal.modes.applicationCursorKeysMode),
    );
  }

  dispose(): void {
    cancelAnimationFrame(this.#movedFrame);
    this.#stopTheme();
    this.#terminal.dispose();
  }

  #listen(): void {
    const { listener } = this;
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => {
      this.#found = { at: resultIndex + 1, count: resultCount };
    });
    this.#terminal.onData((data) => listener.onKeys(data));
    this.#terminal.onResize((size) => listener.onResize(size));
    this.#terminal.onTitleChange((title) => listener.onTitle(title));
    this.#terminal.onWriteParsed(() => this.#moved());
    this.#terminal.onScroll(() => this.#moved());
    this.#terminal.attachCustomKeyEventHandler((event) => this.#isForProgram(event));
    // The library reports only scrolling by output; the wheel is seen here.
    this.host.addEventListener("wheel", () => this.#moved(), { passive: true });
  }

  /** Once a frame: where the cursor is costs a layout, and output may scroll a thousand lines. */
  #moved(): void {
    if (this.#movedFrame !== 0) return;
    this.#movedFrame = requestAnimationFrame(() => {
      this.#movedFrame = 0;
      this.listener.onMove();
    });
  }

  /** Copying a selection is the page's; every other key is the program's. */
  #isForProgram(event: KeyboardEvent): boolean {
    const isCopy = event.key.toLowerCase() === "c" && (event.ctrlKey || event.metaKey);
    if (event.type !== "keydown" || !isCopy || !this.#terminal.hasSelection()) return true;
    void navigator.clipboard.writeText(this.#terminal.getSelection());
    this.#terminal.clearSelection();
    event.preventDefault();
    return false;
  }

  #rowHeight(): number {
    const screen = this.host.querySelector(".xterm-screen");
    return screen ? screen.clientHeight / this.#terminal.rows : 0;
  }
}
