import {
  anything,
  type Decoded,
  list,
  moment,
  number,
  object,
  optional,
  tagged,
  text,
  withDefault,
} from "./decode.ts";

const fileEntry = object({
  path: text,
  size: number,
  hash: text,
  modified_at: optional(moment),
});

export type FileEntry = Decoded<typeof fileEntry>;

/** A project's whole tree at one commit. */
export const fileListing = object({
  commit: number,
  files: list(fileEntry),
  folders: withDefault(list(text), []),
});

export type FileListing = Decoded<typeof fileListing>;

const filesEvent = object({
  type: () => "files" as const,
  commit: number,
  changed: withDefault(list(text), []),
  removed: withDefault(list(text), []),
});

const conflictEvent = object({
  type: () => "conflict" as const,
  path: optional(text),
  kept: optional(text),
  detail: anything,
});

const otherEvent = object({ type: () => "other" as const });

/** What `project:{id}` carries. */
export const projectEvent = tagged(
  "type",
  { files: filesEvent, conflict: conflictEvent },
  otherEvent,
);

export type ProjectEvent = Decoded<typeof projectEvent>;
