import { type Decoded, number, object, optional, text, withDefault } from "./decode.ts";

const count = withDefault(number, 0);

/** The queue and the tasks behind every command, as the strip shows them. */
export const systemStatus = object({
  queue: object({ depth: count, ready: count, running: count, oldest_age_s: optional(number) }),
  tasks: object({ running: count, starting: count, desired: count, max: count }),
  waiting: withDefault(object({ reason: optional(text) }), { reason: undefined }),
});

export type SystemStatus = Decoded<typeof systemStatus>;
