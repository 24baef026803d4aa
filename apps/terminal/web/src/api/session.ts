import { type Session, session, tokenGrant } from "../wire/session.ts";
import { apiPath, ask } from "./http.ts";

export function readSession(): Promise<Session> {
  return ask(apiPath("session"), session);
}

/** A fresh gateway token that covers every project the person can open now. */
export async function renewToken(): Promise<string> {
  const grant = await ask(apiPath("session", "token"), tokenGrant, { method: "POST", json: {} });
  return grant.token;
}
