/**
 * The connection to the gateway as a person should understand it.
 *
 * Plain decisions without timers or sockets: `gateway.ts` feeds it what happened, components show
 * what it says. Times are milliseconds since 1970.
 */

export type Connection =
  | { readonly kind: "connecting"; readonly since: number }
  | { readonly kind: "live"; readonly since: number }
  | {
      readonly kind: "reconnecting";
      readonly since: number;
      readonly attempt: number;
      readonly reason: string;
    }
  | { readonly kind: "resuming"; readonly since: number; readonly missed: number }
  | {
      readonly kind: "lost";
      readonly since: number;
      readonly reason: string;
      readonly code: number;
    };

export type ConnectionChange =
  | { readonly type: "dialing"; readonly at: number; readonly reason: string }
  | { readonly type: "attempt-failed"; readonly reason: string }
  | { readonly type: "opened"; readonly at: number }
  /** Events that happened while away and are still to be fetched, over all channels. */
  | { readonly type: "behind"; readonly at: number; readonly missed: number }
  | {
      readonly type: "closed";
      readonly at: number;
      readonly reason: string;
      readonly code: number;
    };

export function connecting(at: number): Connection {
  return { kind: "connecting", since: at };
}

export function nextConnection(now: Connection, change: ConnectionChange): Connection {
  switch (change.type) {
    case "dialing":
      return dialing(now, change.at, change.reason);
    case "attempt-failed":
      return attemptFailed(now, change.reason);
    case "opened":
      return { kind: "live", since: change.at };
    case "behind":
      return behind(now, change.at, change.missed);
    case "closed":
      return { kind: "lost", since: change.at, reason: change.reason, code: change.code };
  }
}

function dialing(now: Connection, at: number, reason: string): Connection {
  if (now.kind === "connecting" || now.kind === "reconnecting") return now;
  return { kind: "reconnecting", since: at, attempt: 1, reason };
}

function attemptFailed(now: Connection, reason: string): Connection {
  if (now.kind === "connecting") {
    return { kind: "reconnecting", since: now.since, attempt: 1, reason };
  }
  if (now.kind !== "reconnecting") return now;
  return { ...now, attempt: now.attempt + 1, reason };
}

function behind(now: Connection, at: number, missed: number): Connection {
  if (now.kind !== "live" && now.kind !== "resuming") return now;
  if (missed > 0)
    return { kind: "resuming", since: now.kind === "resuming" ? now.since : at, missed };
  return now.kind === "live" ? now : { kind: "live", since: at };
}
