import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  ChannelReader,
  type Page,
  type Position,
  type Reading,
  type Sink,
  type Source,
} from "./reader.ts";

const PAGE = 3;

class Log implements Source {
  events: string[] = [];
  epoch = "e1";
  first = 1;
  isDown = false;
  pages = 0;
  beforePage: () => void = () => {};

  append(data: string): number {
    this.events.push(data);
    return this.events.length;
  }

  get top(): Position {
    return { offset: this.events.length, epoch: this.epoch };
  }

  async page(since: Position): Promise<Page | "restarted"> {
    this.pages += 1;
    this.beforePage();
    await Promise.resolve();
    if (this.isDown) throw new Error("connection closed");
    if (since.epoch !== "" && since.epoch !== this.epoch) return "restarted";
    const from = Math.max(since.offset + 1, this.first);
    const events = this.events
      .slice(from - 1, from - 1 + PAGE)
      .map((data, index) => ({ offset: from + index, data }));
    return { events, top: this.top };
  }

  isTemporary(): boolean {
    return true;
  }
}

class Screen implements Sink {
  shown: string[] = [];
  gaps: number[] = [];
  restarts = 0;
  isFull = false;
  #waiting: (() => void)[] = [];

  apply(data: unknown): void {
    this.shown.push(String(data));
  }
  restart(): void {
    this.shown = [];
    this.restarts += 1;
  }
  gap(count: number): void {
    this.gaps.push(count);
  }
  takesLive(): boolean {
    return !this.isFull;
  }
  async room(): Promise<void> {
    if (!this.isFull) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
  drain(): void {
    this.isFull = false;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

function reading() {
  const log = new Log();
  const screen = new Screen();
  const readings: Reading[] = [];
  const reader = new ChannelReader(
    log,
    screen,
    (state) => readings.push(state),
    () => Promise.resolve(),
  );
  return { log, screen, reader, readings };
}

/** Let every promise that can resolve do so. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
}

test("a late reader replays from the first event and then goes live", async () => {
  const { log, screen, reader, readings } = reading();
  for (const data of "abcdefgh") log.append(data);
  reader.subscribed(log.top);
  await settled();
  expect(screen.shown.join("")).toBe("abcdefgh");
  reader.received({ offset: log.append("i"), data: "i" });
  expect(screen.shown.join("")).toBe("abcdefghi");
  expect(readings.at(-1)).toEqual({ kind: "live" });
});

test("events that arrive while pages are read appear once and in order", async () => {
  const { log, screen, reader } = reading();
  for (const data of "abcdefg") log.append(data);
  const late = [..."hij"];
  log.beforePage = () => {
    const data = late.shift();
    if (data) reader.received({ offset: log.append(data), data });
  };
  reader.subscribed(log.top);
  await settled();
  expect(screen.shown.join("")).toBe("abcdefghij");
});

test("after a recovery by the server nothing is read twice", async () => {
  const { log, screen, reader } = reading();
  log.append("a");
  reader.subscribed(log.top);
  await settled();
  const pages = log.pages;
  reader.interrupted();
  const from = reader.position;
  log.append("b");
  reader.subscribed(from);
  reader.received({ offset: 2, data: "b" });
  await settled();
  expect(screen.shown.join("")).toBe("ab");
  expect(log.pages).toBe(pages);
});

test("what was missed while away is counted and fetched", async () => {
  const { log, screen, reader, readings } = reading();
  log.append("a");
  reader.subscribed(log.top);
  await settled();
  reader.interrupted();
  for (const data of "bcde") log.append(data);
  reader.subscribed(log.top);
  expect(readings.at(-1)).toEqual({ kind: "resuming", behind: 4 });
  await settled();
  expect(screen.shown.join("")).toBe("abcde");
});

test("a hole in the live events is filled from the log", async () => {
  const { log, screen, reader } = reading();
  reader.subscribed(log.top);
  await settled();
  for (const data of "abc") log.append(data);
  reader.received({ offset: 3, data: "c" });
  await settled();
  expect(screen.shown.join("")).toBe("abc");
});

test("a new epoch clears the screen and replays", async () => {
  const { log, screen, reader } = reading();
  for (const data of "abc") log.append(data);
  reader.subscribed(log.top);
  await settled();
  reader.interrupted();
  log.epoch = "e2";
  log.events = ["x", "y"];
  reader.subscribed(log.top);
  await settled();
  expect(screen.restarts).toBe(1);
  expect(screen.shown.join("")).toBe("xy");
});

test("a log that restarts between two pages is replayed from its beginning", async () => {
  const { log, screen, reader } = reading();
  for (const data of "abcdef") log.append(data);
  log.beforePage = () => {
    if (log.pages !== 2) return;
    log.epoch = "e2";
    log.events = ["x"];
  };
  reader.subscribed(log.top);
  await settled();
  expect(screen.shown.join("")).toBe("x");
});

test("events that are gone for good are told as a gap", async () => {
  const { log, screen, reader } = reading();
  for (const data of "abcdef") log.append(data);
  log.first = 4;
  reader.subscribed(log.top);
  await settled();
  expect(screen.gaps).toEqual([3]);
  expect(screen.shown.join("")).toBe("def");
});

test("a slow screen is never given more than it has room for, and loses nothing", async () => {
  const { log, screen, reader } = reading();
  reader.subscribed(log.top);
  await settled();
  reader.received({ offset: log.append("a"), data: "a" });
  screen.isFull = true;
  for (const data of "bcdefgh") reader.received({ offset: log.append(data), data });
  await settled();
  expect(screen.shown.join("")).toBe("a");
  screen.drain();
  await settled();
  expect(screen.shown.join("")).toBe("abcdefgh");
});

test("a connection lost between two pages resumes where the screen is", async () => {
  const { log, screen, reader } = reading();
  for (const data of "abcdefghi") log.append(data);
  log.beforePage = () => {
    log.isDown = log.pages === 3;
    if (log.isDown) reader.interrupted();
  };
  reader.subscribed(log.top);
  await settled();
  expect(screen.shown.join("")).toBe("abc");
  reader.subscribed(log.top);
  await settled();
  expect(screen.shown.join("")).toBe("abcdefghi");
});

test("whatever order drops, floods and stalls come in, the screen shows the log", async () => {
  const step = fc.constantFrom(
    "append",
    "lose",
    "drop",
    "return",
    "recover",
    "fill",
    "drain",
    "wait",
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const { log, screen, reader } = reading();
      let isUp = true;
      reader.subscribed(log.top);
      for (const move of steps) {
        if (move === "append" || move === "lose") {
          const data = `${log.events.length},`;
          const offset = log.append(data);
          if (isUp && move === "append") reader.received({ offset, data });
        }
        if (move === "drop") {
          isUp = false;
          reader.interrupted();
        }
        if (move === "return") {
          isUp = true;
          reader.subscribed(log.top);
        }
        if (move === "recover" && !isUp) {
          isUp = true;
          const from = reader.position;
          reader.subscribed(from);
          log.events.slice(from.offset).forEach((data, index) => {
            reader.received({ offset: from.offset + index + 1, data });
          });
        }
        if (move === "fill") screen.isFull = true;
        if (move === "drain") screen.drain();
        if (move === "wait") await settled();
      }
      screen.drain();
      reader.interrupted();
      reader.subscribed(log.top);
      await settled();
      expect(screen.shown.join("")).toBe(log.events.join(""));
    }),
    { numRuns: 200 },
  );
});
