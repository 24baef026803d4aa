import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Input, InputOutbox, type OutboxState, RefusedInput } from "./outbox.ts";

interface Call {
  key: string;
  input: Input;
  answer: (error?: Error) => Promise<void>;
}

/** A service that answers when told to. */
function harness(options: { capacity?: number; window?: number } = {}) {
  const calls: Call[] = [];
  const states: OutboxState[] = [];
  const outbox = new InputOutbox({
    writer: "w",
    ...options,
    onState: (state) => states.push(state),
    send: (key, input) =>
      new Promise<void>((resolve, reject) => {
        const answer = async (error?: Error) => {
          if (error) reject(error);
          else resolve();
          await Promise.resolve();
          await Promise.resolve();
        };
        calls.push({ key, input, answer });
      }),
  });
  return { outbox, calls, states };
}

const keys = (data: string): Input => ({ type: "keys", data });

test("typing before the connection is up is joined and sent when it opens", () => {
  const { outbox, calls } = harness();
  outbox.push(keys("l"));
  outbox.push(keys("s\r"));
  expect(calls).toEqual([]);
  outbox.open();
  expect(calls.map((call) => [call.key, call.input])).toEqual([["w:1", keys("ls\r")]]);
});

test("what was not answered is sent again, in order and under its old keys", async () => {
  const { outbox, calls } = harness();
  outbox.open();
  for (const key of ["a", "b", "c"]) outbox.push(keys(key));
  await calls[0]?.answer();
  outbox.interrupted();
  outbox.push(keys("d"));
  outbox.open();
  expect(calls.slice(3).map((call) => [call.key, call.input])).toEqual([
    ["w:2", keys("b")],
    ["w:3", keys("c")],
    ["w:4", keys("d")],
  ]);
});

test("an entry already sent is never joined, since the service may have stored it", () => {
  const { outbox, calls } = harness();
  outbox.open();
  outbox.push(keys("a"));
  outbox.interrupted();
  outbox.push(keys("b"));
  outbox.open();
  const first = calls.filter((call) => call.key === "w:1").map((call) => call.input);
  expect(first).toEqual([keys("a"), keys("a")]);
});

test("a full outbox refuses and says so", () => {
  const { outbox, states } = harness({ capacity: 4 });
  expect(outbox.push(keys("abcd"))).toBe(true);
  expect(outbox.push(keys("e"))).toBe(false);
  expect(states.at(-1)).toEqual({ waiting: 4, overflow: 1 });
});

test("a refused entry is dropped with its reason and the next one goes out", async () => {
  const { outbox, calls, states } = harness({ window: 1 });
  outbox.open();
  outbox.push(keys("a"));
  outbox.push({ type: "signal", signal: "INT" });
  await calls[0]?.answer(new RefusedInput("read only"));
  expect(states.at(-1)?.refused).toBe("read only");
  expect(calls[1]?.input).toEqual({ type: "signal", signal: "INT" });
});

test("only the latest of several waiting sizes is sent", () => {
  const { outbox, calls } = harness();
  outbox.push({ type: "resize", cols: 80, rows: 24 });
  outbox.push({ type: "resize", cols: 100, rows: 30 });
  outbox.open();
  expect(calls.map((call) => call.input)).toEqual([{ type: "resize", cols: 100, rows: 30 }]);
});

/** A service that stores each key once, in order of arrival, and whose answers may be lost. */
test("whatever is lost on the way, the stored text is what was typed, once and in order", async () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant("type" as const),
      text: fc.string({ minLength: 1, maxLength: 6 }),
    }),
    fc.record({ do: fc.constant("answer" as const) }),
    fc.record({ do: fc.constant("drop" as const) }),
    fc.record({ do: fc.constant("reconnect" as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { outbox, calls } = harness({ window: 4 });
      const stored = new Map<string, Input>();
      const store = (call: Call) => {
        if (!stored.has(call.key)) stored.set(call.key, call.input);
      };
      let typed = "";
      let handled = 0;
      outbox.open();
      const settle = async () => {
        while (handled < calls.length) {
          const call = calls[handled];
          handled += 1;
          if (call) store(call);
          await call?.answer();
        }
      };
      for (const move of steps) {
        if (move.do === "type") {
          typed += move.text;
          outbox.push(keys(move.text));
        }
        if (move.do === "answer") await settle();
        // The service stores a prefix of what was sent; every answer is lost.
        if (move.do === "drop") {
          const arrived = calls.slice(handled, handled + 2);
          arrived.forEach(store);
          handled = calls.length;
          outbox.interrupted();
        }
        if (move.do === "reconnect") {
          outbox.interrupted();
          handled = calls.length;
          outbox.open();
        }
      }
      outbox.interrupted();
      handled = calls.length;
      outbox.open();
      await settle();
      const text = [...stored.values()].map((input) => (input.type === "keys" ? input.data : ""));
      expect(text.join("")).toBe(typed);
    }),
    { numRuns: 200 },
  );
});
