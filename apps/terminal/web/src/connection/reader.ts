/**
 * Reads one channel from its first event, in order, each event once, whatever happens in between.
 *
 * Events are pulled from the channel's history until the newest is reached and taken live from
 * then on. The reader falls back to pulling whenever a live event does not follow the last one
 * applied: after a reconnect, after a gap, or because the sink had no room. While it pulls, live
 * events are only noted, never kept: a slow sink costs the memory of what it holds and of the one
 * page that is asked for while another is applied.
 */

export interface Position {
  readonly offset: number;
  readonly epoch: string;
}

export interface ReadEvent {
  readonly offset: number;
  readonly data: unknown;
}

/** A stretch of history and the channel's newest position when it was read. */
export interface Page {
  readonly events: readonly ReadEvent[];
  readonly top: Position;
}

export interface Source {
  /** Events after `since`, oldest first, or word that the log it counts in is no more. */
  page(since: Position): Promise<Page | "restarted">;
  /** Whether a failed page is worth asking for again on this connection. */
  isTemporary(error: unknown): boolean;
}

export interface Sink {
  apply(data: unknown): void;
  /** The log started anew: forget what was applied. */
  restart(): void;
  /** `count` events are gone from the log and will never come. */
  gap(count: number): void;
  /** Whether a live event fits; one that does not is pulled later. */
  takesLive(): boolean;
  /** Resolves when pulling may go on. */
  room(): Promise<void>;
}

export type Reading =
  | { readonly kind: "waiting" }
  | { readonly kind: "replaying"; readonly behind: number }
  | { readonly kind: "resuming"; readonly behind: number }
  | { readonly kind: "live" }
  | { readonly kind: "failed"; readonly reason: string };

const FIRST: Position = { offset: 0, epoch: "" };
/** Seconds between attempts to read a page that failed for a passing reason. */
const RETRY = 0.5;

export class ChannelReader {
  #position = FIRST;
  #top = 0;
  #hasCaughtUp = false;
  #isPulling = false;
  /** The page after the one being applied, if it was asked for already. */
  #ahead: Promise<Page | "restarted"> | undefined;
  /** Counts connections; work begun in an earlier turn stops at its next step. */
  #turn = 0;

  constructor(
    readonly source: Source,
    readonly sink: Sink,
    readonly onReading: (reading: Reading) => void,
    readonly sleep: (seconds: number) => Promise<void> = realSleep,
  ) {}

  get position(): Position {
    return this.#position;
  }

  /**
   * The subscription is in place. `at` is where the log stands, or, after a recovery by the
   * server, where the events it is about to deliver begin; nothing if the server did not say.
   */
  subscribed(at: Position | undefined): void {
    this.#turn += 1;
    this.#ahead = undefined;
    this.#isPulling = false;
    if (at) this.#adopt(at.epoch);
    if (at) this.#top = Math.max(this.#top, at.offset);
    const isLevel = at?.offset === this.#position.offset && this.#top === at.offset;
    if (this.#hasCaughtUp && isLevel) this.onReading({ kind: "live" });
    else void this.#pull();
  }

  /** The connection is gone; reading goes on at the next `subscribed`. */
  interrupted(): void {
    this.#turn += 1;
    // Live events of the old connection may still arrive; they must not start a pull.
    this.#isPulling = true;
    this.onReading({ kind: "waiting" });
  }

  /** A live event. Applied at once if it is the next one and the sink has room. */
  received(event: ReadEvent): void {
    if (event.offset <= this.#position.offset) return;
    this.#top = Math.max(this.#top, event.offset);
    if (this.#isPulling) return;
    if (event.offset === this.#position.offset + 1 && this.sink.takesLive()) this.#apply(event);
    else void this.#pull();
  }

  close(): void {
    this.#turn += 1;
    this.#isPulling = true;
  }

  async #pull(): Promise<void> {
    if (this.#isPulling) return;
    this.#isPulling = true;
    const turn = this.#turn;
    try {
      let isLevel = false;
      while (!isLevel) isLevel = await this.#pulledLevel(turn);
    } catch (error) {
      if (turn === this.#turn) this.onReading({ kind: "failed", reason: reasonOf(error) });
      return;
    }
    if (turn !== this.#turn) return;
    this.#isPulling = false;
    this.#hasCaughtUp = true;
    this.onReading({ kind: "live" });
  }

  /** Apply one more page; true once there is nothing left to pull in this turn. */
  async #pulledLevel(turn: number): Promise<boolean> {
    this.#report();
    await this.sink.room();
    if (turn !== this.#turn) return true;
    const page = await this.#page(turn);
    if (turn !== this.#turn) return true;
    if (page === undefined) return false;
    if (page === "restarted") return this.#restart("");
    if (this.#adopt(page.top.epoch)) return false;
    return await this.#applyPage(page, turn);
  }

  /** The next page, or nothing if it should be asked for again. */
  async #page(turn: number): Promise<Page | "restarted" | undefined> {
    try {
      const asked = this.#ahead ?? this.source.page(this.#position);
      this.#ahead = undefined;
      return await asked;
    } catch (error) {
      if (turn !== this.#turn) return undefined;
      if (!this.source.isTemporary(error)) throw error;
      await this.sleep(RETRY);
      return undefined;
    }
  }

  async #applyPage(page: Page, turn: number): Promise<boolean> {
    this.#top = Math.max(this.#top, page.top.offset);
    this.#askAhead(page);
    if (page.events.length === 0) this.#skipTo(page.top.offset + 1);
    for (const event of page.events) {
      await this.sink.room();
      if (turn !== this.#turn) return true;
      if (event.offset <= this.#position.offset) continue;
      this.#skipTo(event.offset);
      this.#apply(event);
    }
    return this.#position.offset >= this.#top;
  }

  #askAhead({ events, top }: Page): void {
    const last = events.at(-1);
    if (last === undefined || last.offset >= top.offset) return;
    this.#ahead = this.source.page({ offset: last.offset, epoch: top.epoch });
    // Whoever takes it sees the failure; if nobody does, it does not matter.
    this.#ahead.catch(() => {});
  }

  /** Take `epoch` as the log's; true if that made everything applied so far void. */
  #adopt(epoch: string): boolean {
    if (epoch === this.#position.epoch) return false;
    if (this.#position.offset > 0) {
      this.#restart(epoch);
      return true;
    }
    this.#position = { offset: 0, epoch };
    return false;
  }

  #restart(epoch: string): false {
    this.#position = { offset: 0, epoch };
    this.#top = 0;
    this.#ahead = undefined;
    this.#hasCaughtUp = false;
    this.sink.restart();
    return false;
  }

  #skipTo(offset: number): void {
    const missing = offset - this.#position.offset - 1;
    if (missing <= 0) return;
    this.sink.gap(missing);
    this.#position = { ...this.#position, offset: offset - 1 };
  }

  #apply(event: ReadEvent): void {
    this.sink.apply(event.data);
    this.#position = { ...this.#position, offset: event.offset };
  }

  #report(): void {
    const behind = Math.max(0, this.#top - this.#position.offset);
    this.onReading({ kind: this.#hasCaughtUp ? "resuming" : "replaying", behind });
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function realSleep(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
