import {
  type Invite,
  invite,
  type Membership,
  membership,
  type Project,
  project,
  projectList,
  type Role,
} from "../wire/project.ts";
import { apiPath, ask, send } from "./http.ts";

export async function listProjects(): Promise<readonly Project[]> {
  const answer = await ask(apiPath("projects"), projectList);
  return answer.projects;
}

export function readProject(id: string): Promise<Project> {
  return ask(apiPath("projects", id), project);
}

export function createProject(name: string): Promise<Project> {
  return ask(apiPath("projects"), project, { method: "POST", json: { name } });
}

export async function renameProject(id: string, name: string): Promise<void> {
  await send(apiPath("projects", id), { method: "PATCH", json: { name } });
}

export async function deleteProject(id: string): Promise<void> {
  await send(apiPath("projects", id), { method: "DELETE" });
}

export function invitePeople(id: string, role: Exclude<Role, "owner">): Promise<Invite> {
  return ask(apiPath("projects", id, "invites"), invite, { method: "POST", json: { role } });
}

export function listMembers(id: string): Promise<Membership> {
  return ask(apiPath("projects", id, "members"), membership);
}

export async function dismissMember(id: string, member: string): Promise<void> {
  await send(apiPath("projects", id, "members", member), { method: "DELETE" });
}

export async function revokeInvite(id: string, invitation: string): Promise<void> {
  await send(apiPath("projects", id, "invites", invitation), { method: "DELETE" });
}

export function acceptInvite(token: string): Promise<Project> {
  return ask(apiPath("invites", token), project, { method: "POST", json: {} });
}

/** Replace nothing, add all: the files of a zip or tar.gz join the project. */
export async function importArchive(id: string, archive: Blob): Promise<void> {
  await send(apiPath("projects", id, "import"), {
    method: "POST",
    body: archive,
    headers: { "content-type": archive.type || "application/octet-stream" },
  });
}

export function archiveAddress(id: string): string {
  return apiPath("projects", id, "archive");
}
