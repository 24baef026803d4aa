/** Times as people say them: "12 s ago", with the exact moment kept for the tooltip. */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `then` as seen from `now`, both in milliseconds since 1970. A future time reads as "just now". */
export function relativeTime(then: number, now: number): string {
  const seconds = Math.max(0, (now - then) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 30 * DAY) return `${coarseDuration(seconds)} ago`;
  return new Date(then).toLocaleDateString(undefined, { dateStyle: "medium" });
}

/** The largest whole unit of a duration: `12 s`, `3 min`, `2 h`, `5 d`. */
export function coarseDuration(seconds: number): string {
  if (seconds < MINUTE) return `${Math.floor(seconds)} s`;
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} d`;
}

/** A measured duration, precise where it is short: `84 ms`, `2.4 s`, `1 min 05 s`, `2 h 03 min`. */
export function exactDuration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${padded(whole % MINUTE)} s`;
  return `${Math.floor(whole / HOUR)} h ${padded(Math.floor((whole % HOUR) / MINUTE))} min`;
}

/** A running clock for something that has not ended: `0:07`, `12:40`, `1:02:03`. */
export function clockDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = `${Math.floor((whole % HOUR) / MINUTE)}`;
  const tail = `${padded(whole % MINUTE)}`;
  if (whole < HOUR) return `${minutes}:${tail}`;
  return `${Math.floor(whole / HOUR)}:${minutes.padStart(2, "0")}:${tail}`;
}

function padded(value: number): string {
  return String(value).padStart(2, "0");
}
