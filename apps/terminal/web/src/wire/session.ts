import {
  boolean,
  type Decoded,
  list,
  moment,
  object,
  optional,
  text,
  withDefault,
} from "./decode.ts";

const gatewayGrant = object({ url: text, token: text, expires_at: optional(moment) });

const isolationLayer = object({
  layer: text,
  active: boolean,
  detail: withDefault(text, ""),
});

export type IsolationLayer = Decoded<typeof isolationLayer>;

/** Who is signed in, how to reach the gateway, and what protects the commands that run. */
export const session = object({
  user: object({ id: text, name: text }),
  /** How people are known; `owner` where there is one person and no sign-in. */
  mode: text,
  gateway: gatewayGrant,
  isolation: withDefault(list(isolationLayer), []),
});

export type Session = Decoded<typeof session>;

export const tokenGrant = object({ token: text });
