import { expect, test } from "vitest";
import { type Connection, type ConnectionChange, connecting, nextConnection } from "./machine.ts";

function after(...changes: readonly ConnectionChange[]): Connection {
  return changes.reduce(nextConnection, connecting(0));
}

const opened: ConnectionChange = { type: "opened", at: 10 };
const dropped: ConnectionChange = { type: "dialing", at: 20, reason: "transport closed" };

test("the first connect is connecting, not reconnecting", () => {
  expect(after({ type: "dialing", at: 1, reason: "connect called" })).toEqual(connecting(0));
});

test("a dropped connection reconnects and counts its attempts from when it dropped", () => {
  const failed: ConnectionChange = { type: "attempt-failed", reason: "refused" };
  expect(after(opened, dropped, failed, failed)).toEqual({
    kind: "reconnecting",
    since: 20,
    attempt: 3,
    reason: "refused",
  });
});

test("a service that was never there is told as reconnecting with its reason", () => {
  expect(after({ type: "attempt-failed", reason: "refused" })).toMatchObject({
    kind: "reconnecting",
    reason: "refused",
  });
});

test("coming back with missed events resumes until nothing is behind", () => {
  const back: ConnectionChange = { type: "opened", at: 30 };
  expect(after(opened, dropped, back, { type: "behind", at: 31, missed: 40 })).toEqual({
    kind: "resuming",
    since: 31,
    missed: 40,
  });
  expect(
    after(
      opened,
      dropped,
      back,
      { type: "behind", at: 31, missed: 40 },
      { type: "behind", at: 32, missed: 15 },
      { type: "behind", at: 33, missed: 0 },
    ),
  ).toEqual({ kind: "live", since: 33 });
});

test("a connection that drops while resuming is reconnecting again", () => {
  expect(after(opened, { type: "behind", at: 11, missed: 5 }, dropped).kind).toBe("reconnecting");
});

test("late counts from a channel do not bring a lost connection back", () => {
  const closed: ConnectionChange = { type: "closed", at: 40, reason: "token expired", code: 3501 };
  expect(after(opened, closed, { type: "behind", at: 41, missed: 0 })).toMatchObject({
    kind: "lost",
    code: 3501,
  });
});

test("a lost connection can be dialled again", () => {
  const closed: ConnectionChange = { type: "closed", at: 40, reason: "x", code: 3000 };
  expect(after(opened, closed, { type: "dialing", at: 50, reason: "asked" })).toMatchObject({
    kind: "reconnecting",
    since: 50,
  });
});
