import { coarseDuration, useNow } from "@tidegate/ui";
import { signOut } from "../api/session.ts";
import type { Connection } from "../connection/machine.ts";
import { tellFailure } from "../failure.ts";
import type { Session } from "../wire/session.ts";
import type { SystemStatus } from "../wire/status.ts";
import { Isolation } from "./isolation.tsx";
import type { StatusReport } from "./status.ts";

interface StripProps {
  report: StatusReport | undefined;
  connection: Connection;
  session: Session;
}

/** The line at the foot of the page: what waits, what runs, and what protects it. */
export function StatusStrip({ report, connection, session }: StripProps) {
  const isStale = connection.kind !== "live" && connection.kind !== "resuming";
  return (
    <footer class={isStale ? "strip strip-stale" : "strip"}>
      {report ? <Facts status={report.status} /> : <span class="strip-fact">Queue …</span>}
      {report && isStale && <Age at={report.at} />}
      <span class="strip-space" />
      <Isolation known={session.isolation} />
      <Person session={session} />
    </footer>
  );
}

function Facts({ status }: { status: SystemStatus }) {
  const { queue, tasks, waiting } = status;
  const oldest = queue.oldest_age_s ?? 0;
  return (
    <>
      <span class="strip-fact" title="Commands waiting for a worker, and commands running">
        <span class="strip-name">Queue</span>
        <span class={queue.ready > 0 ? "strip-wait" : ""}>{queue.ready} waiting</span>
        <span>{queue.running} running</span>
        {queue.ready > 0 && oldest >= 1 && (
          <span class="strip-minor">oldest {coarseDuration(oldest)}</span>
        )}
      </span>
      <span class="strip-fact" title={`${tasks.desired} wanted, at most ${tasks.max}`}>
        <span class="strip-name">Tasks</span>
        <span>
          {tasks.running}
          <span class="strip-minor"> of {tasks.max}</span>
        </span>
        {tasks.starting > 0 && <span class="strip-wait">{tasks.starting} starting</span>}
      </span>
      {waiting.reason && (
        <span class="strip-fact strip-wait strip-reason" title={waiting.reason}>
          {waiting.reason}
        </span>
      )}
    </>
  );
}

function Age({ at }: { at: number }) {
  const now = useNow();
  return <span class="strip-fact strip-wait">{coarseDuration((now - at) / 1000)} old</span>;
}

function Person({ session }: { session: Session }) {
  const leave = async () => {
    await signOut();
    location.assign("/");
  };
  return (
    <span class="strip-fact strip-user">
      {session.user.name}
      {session.mode === "oidc" && (
        <button
          type="button"
          class="strip-button"
          onClick={() =>
            leave().catch((error: unknown) => tellFailure("Signing out failed.", error))
          }
        >
          Sign out
        </button>
      )}
    </span>
  );
}
