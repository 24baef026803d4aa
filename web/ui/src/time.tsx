import { useNow } from "./now.ts";
import { relativeTime } from "./relative-time.ts";

/** A moment, relative on the page and exact on hover. */
export function RelativeTime({ at }: { at: number }) {
  const now = useNow();
  const moment = new Date(at);
  return (
    <time
      dateTime={moment.toISOString()}
      title={moment.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" })}
    >
      {relativeTime(at, now)}
    </time>
  );
}
