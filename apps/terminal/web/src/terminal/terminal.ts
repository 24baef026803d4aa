/** One terminal of a project: its screen, its progress, its input and its history. */

import { batch, computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { killCommand, readHistory, runCommand } from "../api/terminals.ts";
import type { Gateway } from "../connection/gateway.ts";
import { InputOutbox, type OutboxState } from "../connection/outbox.ts";
import type { Reading, Sink } from "../connection/reader.ts";
import { tellFailure } from "../failure.ts";
import { decode } from "../wire/decode.ts";
import {
  type TerminalEvent,
  type Terminal as TerminalInfo,
  terminalEvent,
} from "../wire/terminal.ts";
import { ScreenFeed } from "./feed.ts";
import { remembered } from "./history.ts";
import {
  type ActiveCommand,
  afterEvent,
  START,
  type TerminalProgress,
  takesKeys,
} from "./progress.ts";
import type { Caret, Screen } from "./screen.ts";
import { gapRemark, IDLE_CURSOR, remark, transcribed } from "./transcript.ts";

/** One per page load: tells this page's keys from those of every other. */
const WRITER = crypto.randomUUID();

const NO_CARET: Caret = { top: 0, rowHeight: 17, isScrolledBack: false };
const QUIET: OutboxState = { waiting: 0 };

export interface TerminalPlace {
  readonly project: string;
  readonly projectName: string;
  readonly info: TerminalInfo;
  readonly gateway: Gateway;
  readonly canWrite: boolean;
}

export class Terminal {
  readonly id: string;
  readonly progress = signal<TerminalProgress>(START);
  readonly reading = signal<Reading>({ kind: "waiting" });
  readonly history = signal<readonly string[]>([]);
  readonly input = signal<OutboxState>(QUIET);
  readonly caret = signal<Caret>(NO_CARET);
  /** What the program calls its window. */
  readonly programTitle = signal("");
  /** Output came while nobody looked at this terminal. */
  readonly hasNews = signal(false);
  readonly isShown = signal(false);
  /** Whether its output is being searched. */
  readonly isFinding = signal(false);
  /** The screen shows everything up to when it was opened; from then on it only moves forward. */
  readonly isReplayed = signal(false);
  #screen: Screen | undefined;
  #feed: ScreenFeed | undefined;
  #stopReading: (() => void) | undefined;
  readonly #outbox: InputOutbox;
  readonly #stopWatching: () => void;

  constructor(readonly place: TerminalPlace) {
    this.id = place.info.id;
    this.progress.value = { ...START, cwd: place.info.cwd };
    const channel = `input:${place.project}:${this.id}`;
    this.#outbox = new InputOutbox({
      writer: WRITER,
      send: (key, input) => place.gateway.publish(channel, key, input),
      onState: (state) => {
        this.input.value = state;
      },
    });
    this.#stopWatching = effect(() => {
      if (place.gateway.isUp.value) this.#outbox.open();
      else this.#outbox.interrupted();
    });
    void this.#loadHistory();
  }

  /** The command that has the screen. */
  readonly current: ReadonlySignal<ActiveCommand | undefined> = computed(
    () => this.progress.value.active[0],
  );

  /** Draw on `screen` from the channel's first event on. */
  attach(screen: Screen): void {
    const feed = new ScreenFeed(screen);
    this.#screen = screen;
    this.#feed = feed;
    feed.write([IDLE_CURSOR]);
    const { gateway, project } = this.place;
    this.#stopReading = gateway.read(
      `terminal:${project}:${this.id}`,
      this.#sink(feed, screen),
      (reading) => {
        this.reading.value = reading;
        if (reading.kind === "live") {
          this.#whenDrawn(feed, () => {
            this.isReplayed.value = true;
          });
        }
      },
    );
  }

  detach(): void {
    this.#stopReading?.();
    this.#screen?.dispose();
    this.#screen = undefined;
    this.#feed = undefined;
  }

  /** Queue a command. Rejects when the service did not take it. */
  async run(command: string): Promise<void> {
    this.#screen?.scrollToEnd();
    const size = this.#screen?.size ?? { cols: 80, rows: 24 };
    await runCommand(this.place.project, this.id, command, size);
  }

  /** Keys typed on the screen; false when they go nowhere because nothing runs. */
  type(data: string): boolean {
    const command = this.current.peek();
    if (!this.place.canWrite || !takesKeys(command)) return false;
    if (data === "\x03" && command?.stage !== "running") void this.kill();
    else this.#outbox.push({ type: "keys", data });
    return true;
  }

  resized(): void {
    const size = this.#screen?.size;
    if (size && this.place.canWrite && takesKeys(this.current.peek())) {
      this.#outbox.push({ type: "resize", ...size });
    }
    this.moved();
  }

  moved(): void {
    if (this.#screen && this.isShown.peek()) this.caret.value = this.#screen.caret();
  }

  /** End the running command, with everything it started. */
  async kill(): Promise<void> {
    try {
      await killCommand(this.place.project, this.id);
    } catch (error) {
      tellFailure("The command could not be killed.", error);
    }
  }

  get screen(): Screen | undefined {
    return this.#screen;
  }

  /** Write a line of the page's own under the output. */
  say(text: string): void {
    this.#feed?.write([remark(text)]);
  }

  dispose(): void {
    this.detach();
    this.#stopWatching();
  }

  #sink(feed: ScreenFeed, screen: Screen): Sink {
    return {
      apply: (data) => this.#apply(data, feed),
      restart: () => {
        screen.reset();
        this.isReplayed.value = false;
        feed.write([IDLE_CURSOR]);
        this.progress.value = { ...START, cwd: this.place.info.cwd };
      },
      gap: (count) => feed.write(gapRemark(count)),
      takesLive: () => feed.takesLive(),
      room: () => feed.room(),
    };
  }

  #apply(data: unknown, feed: ScreenFeed): void {
    const event = this.#decoded(data, feed);
    if (!event) return;
    if (event.type === "exit") this.#outbox.clear();
    if (!this.isShown.peek() && event.type !== "status") this.hasNews.value = true;
    feed.write(transcribed(event, this.place.projectName));
    if (event.type !== "output") this.#whenDrawn(feed, () => this.#advance(event));
  }

  /** The page says where a command is when its screen has got there, and not before. */
  #whenDrawn(feed: ScreenFeed, run: () => void): void {
    const chunk = () => {
      run();
      return "";
    };
    feed.write([chunk]);
  }

  #advance(event: TerminalEvent): void {
    batch(() => {
      this.progress.value = afterEvent(this.progress.peek(), event, Date.now());
      if (event.type === "command")
        this.history.value = remembered(this.history.peek(), event.command);
    });
  }

  #decoded(data: unknown, feed: ScreenFeed): TerminalEvent | undefined {
    try {
      return decode(terminalEvent, data, "terminal event");
    } catch (error) {
      feed.write([remark(error instanceof Error ? error.message : String(error))]);
      return undefined;
    }
  }

  async #loadHistory(): Promise<void> {
    try {
      const earlier = await readHistory(this.place.project, this.id);
      // The channel replays the same commands in the same order, before this answer or after it.
      this.history.value = [...earlier, ...this.history.peek()].reduce(remembered, []);
    } catch {
      // The channel replays the commands it still has; only the oldest are missing then.
    }
  }
}
