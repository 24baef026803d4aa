import { type Session, session, tokenGrant } from "../wire/session.ts";
import { apiPath, ask, send } from "./http.ts";

/** Who is signed in; `project` is covered by the gateway token in any case. */
export function readSession(project: string | undefined): Promise<Session> {
  const query = project === undefined ? "" : `?${new URLSearchParams({ project })}`;
  return ask(`${apiPath("session")}${query}`, session);
}

/** A fresh gateway token for the person's projects, `project` among them. */
export async function renewToken(project: string | undefined): Promise<string> {
  const json = project === undefined ? {} : { project };
  const grant = await ask(apiPath("session", "token"), tokenGrant, { method: "POST", json });
  return grant.token;
}

export async function signOut(): Promise<void> {
  await send("/auth/logout", { method: "POST" });
}
