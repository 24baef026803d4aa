import { type SystemStatus, systemStatus } from "../wire/status.ts";
import { apiPath, ask } from "./http.ts";

export function readStatus(): Promise<SystemStatus> {
  return ask(apiPath("status"), systemStatus);
}
