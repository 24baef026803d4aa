/**
 * Writes to a screen no faster than it can draw.
 *
 * While more than 1 MiB waits to be drawn, `room` holds the channel reader back until a quarter of
 * that is left. Live events come unasked and are taken up to 8 MiB, which is what the gateway sends
 * at once after a reconnect; `takesLive` refuses more. What was taken is never dropped.
 */

import type { Chunk, Cursor } from "./transcript.ts";

export interface Drawable {
  write(data: string | Uint8Array, done: () => void): void;
  cursor(): Cursor;
}

const HIGH = 1024 * 1024;
const LOW = HIGH / 4;
const LIVE_HIGH = 8 * HIGH;

export class ScreenFeed {
  #queue: Chunk[] = [];
  /** Characters and bytes given but not yet drawn. */
  #pending = 0;
  /** Of these, what the screen has and has not answered for. */
  #inFlight = 0;
  #waiting: (() => void)[] = [];

  constructor(readonly screen: Drawable) {}

  get pending(): number {
    return this.#pending;
  }

  write(chunks: readonly Chunk[]): void {
    for (const chunk of chunks) {
      this.#queue.push(chunk);
      this.#pending += sizeOf(chunk);
    }
    this.#pump();
  }

  takesLive(): boolean {
    return this.#pending < LIVE_HIGH;
  }

  room(): Promise<void> {
    if (this.#pending < HIGH) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #pump(): void {
    for (let chunk = this.#queue[0]; chunk !== undefined; chunk = this.#queue[0]) {
      // A chunk that depends on the cursor waits until everything before it is drawn.
      if (typeof chunk === "function" && this.#inFlight > 0) return;
      this.#queue.shift();
      this.#draw(chunk);
    }
  }

  #draw(chunk: Chunk): void {
    const data = typeof chunk === "function" ? chunk(this.screen.cursor()) : chunk;
    if (data.length === 0) return;
    this.#inFlight += 1;
    this.screen.write(data, () => {
      this.#inFlight -= 1;
      this.#pending -= sizeOf(chunk);
      this.#drawn();
    });
  }

  #drawn(): void {
    if (this.#inFlight === 0) this.#pump();
    if (this.#pending > LOW) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function sizeOf(chunk: Chunk): number {
  return typeof chunk === "function" ? 0 : chunk.length;
}
