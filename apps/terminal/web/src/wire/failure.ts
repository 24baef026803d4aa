import { object, optional, text, withDefault } from "./decode.ts";

/** The body of every refused request. */
export const failureBody = object({
  error: object({
    code: withDefault(text, "unknown"),
    message: withDefault(text, ""),
    detail: optional(object({ login: optional(text) })),
  }),
});
