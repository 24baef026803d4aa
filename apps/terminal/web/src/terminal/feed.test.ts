import { expect, test } from "vitest";
import { type Drawable, ScreenFeed } from "./feed.ts";
import type { Cursor } from "./transcript.ts";

/** A screen that draws when told to. */
class SlowScreen implements Drawable {
  drawn = "";
  #given: { data: string; done: () => void }[] = [];

  write(data: string | Uint8Array, done: () => void): void {
    this.#given.push({ data: String(data), done });
  }
  cursor(): Cursor {
    return { column: this.drawn.length - this.drawn.lastIndexOf("\n") - 1, isAlternate: false };
  }
  drawAll(): void {
    for (let next = this.#given.shift(); next; next = this.#given.shift()) {
      this.drawn += next.data;
      next.done();
    }
  }
}

const freshLine = (cursor: Cursor) => (cursor.column > 0 ? "\n" : "");

test("text that depends on the cursor sees everything before it drawn", () => {
  const screen = new SlowScreen();
  const feed = new ScreenFeed(screen);
  feed.write(["half", freshLine, "next\n", freshLine, "last"]);
  screen.drawAll();
  expect(screen.drawn).toBe("half\nnext\nlast");
});

const MIB = 1024 * 1024;

test("a flood asks for a pause, which ends when most of it is drawn", async () => {
  const screen = new SlowScreen();
  const feed = new ScreenFeed(screen);
  feed.write(["x".repeat(2 * MIB)]);
  let isResumed = false;
  const room = feed.room().then(() => {
    isResumed = true;
  });
  await Promise.resolve();
  expect(isResumed).toBe(false);
  screen.drawAll();
  await room;
  expect(feed.pending).toBe(0);
});

test("live events are refused only beyond what one recovery may bring", () => {
  const feed = new ScreenFeed(new SlowScreen());
  feed.write(["x".repeat(7 * MIB)]);
  expect(feed.takesLive()).toBe(true);
  feed.write(["x".repeat(MIB)]);
  expect(feed.takesLive()).toBe(false);
});
