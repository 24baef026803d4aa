import { useState } from "preact/hooks";
import { useNow } from "./now.ts";
import { relativeTime } from "./relative-time.ts";

/** What a page says about its connection; times in milliseconds since 1970. */
export type ConnectionReport =
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

interface ConnectionProps {
  report: ConnectionReport;
  onReconnect: () => void;
}

/** Always on the page: a dot and a word; everything else on hover. */
export function ConnectionMark({ report }: { report: ConnectionReport }) {
  return (
    <span class={`connection connection-${report.kind}`} role="status" title={explained(report)}>
      <span class="connection-dot" aria-hidden="true" />
      {words(report)}
    </span>
  );
}

/** Across the page while the connection is not live: quiet while it mends itself, loud when lost. */
export function ConnectionBar({ report, onReconnect }: ConnectionProps) {
  const isMending = report.kind === "reconnecting" || report.kind === "resuming";
  const now = useNow(isMending || report.kind === "lost");
  const [patience] = useState(1500);
  if (report.kind === "live" || report.kind === "connecting") return null;
  // A blip that mends itself within the patience is told by the mark alone.
  if (isMending && now - report.since < patience) return null;
  return (
    <div class={`connection-bar connection-bar-${report.kind}`} role="alert">
      <span>{barText(report, now)}</span>
      {report.kind !== "resuming" && (
        <button type="button" class="button button-quiet" onClick={onReconnect}>
          Reconnect now
        </button>
      )}
    </div>
  );
}

function words(report: ConnectionReport): string {
  switch (report.kind) {
    case "connecting":
      return "Connecting";
    case "live":
      return "Live";
    case "reconnecting":
      return "Reconnecting";
    case "resuming":
      return report.missed > 0 ? `Resuming ${report.missed.toLocaleString()} missed` : "Resuming";
    case "lost":
      return "Lost";
  }
}

function explained(report: ConnectionReport): string {
  const since = `since ${new Date(report.since).toLocaleTimeString()}`;
  switch (report.kind) {
    case "reconnecting":
      return `Reconnecting ${since}, attempt ${report.attempt}: ${report.reason}`;
    case "lost":
      return `Lost ${since}: ${report.reason} (${report.code})`;
    default:
      return `${words(report)} ${since}`;
  }
}

type Unwell = Exclude<ConnectionReport, { kind: "live" | "connecting" }>;

function barText(report: Unwell, now: number): string {
  const since = relativeTime(report.since, now);
  switch (report.kind) {
    case "reconnecting":
      return `Connection lost ${since}, trying again (attempt ${report.attempt}). What you see may be old; what you type is kept.`;
    case "resuming":
      return `Back. Fetching ${report.missed.toLocaleString()} missed events.`;
    case "lost":
      return `Connection lost ${since}: ${report.reason} (${report.code}). What you see is from then.`;
  }
}
