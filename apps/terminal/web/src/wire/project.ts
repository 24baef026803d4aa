import {
  type Decoded,
  list,
  literal,
  moment,
  number,
  object,
  text,
  withDefault,
} from "./decode.ts";

export const role = literal("owner", "editor", "viewer");
export type Role = Decoded<typeof role>;

export const project = object({
  id: text,
  name: text,
  role,
  created_at: moment,
  updated_at: moment,
  files: withDefault(number, 0),
  bytes: withDefault(number, 0),
});

export type Project = Decoded<typeof project>;

export const projectList = object({ projects: list(project) });

const member = object({ id: text, name: text, role });
const openInvite = object({ id: text, role, expires_at: moment });

/** Who is in a project, and which invitations are open. */
export const membership = object({ members: list(member), invites: list(openInvite) });

export type Membership = Decoded<typeof membership>;

export const invite = object({ url: text, expires_at: moment });
export type Invite = Decoded<typeof invite>;
