import { type FileListing, fileListing } from "../wire/files.ts";
import { apiPath, ask, send } from "./http.ts";

export interface FileContent {
  readonly bytes: ArrayBuffer;
  /** Names this version; a save that carries it is refused when the file has changed since. */
  readonly etag: string;
}

export function listFiles(project: string): Promise<FileListing> {
  return ask(apiPath("projects", project, "files"), fileListing);
}

export async function readFile(project: string, path: string): Promise<FileContent> {
  const response = await send(fileAddress(project, path), { headers: { accept: "*/*" } });
  return { bytes: await response.arrayBuffer(), etag: response.headers.get("etag") ?? "" };
}

/** When a file may be written: only over that version, only if there is none, or in any case. */
export type WriteCondition =
  | { readonly kind: "version"; readonly etag: string }
  | { readonly kind: "absent" }
  | { readonly kind: "any" };

/** Write a whole file and return its new version. */
export async function writeFile(
  project: string,
  path: string,
  content: string | Blob,
  condition: WriteCondition,
): Promise<string> {
  const response = await send(fileAddress(project, path), {
    method: "PUT",
    body: typeof content === "string" ? new Blob([content]) : content,
    headers: { "content-type": "application/octet-stream", ...conditionHeaders(condition) },
  });
  return response.headers.get("etag") ?? "";
}

export async function deleteFile(project: string, path: string, keepalive = false): Promise<void> {
  await send(fileAddress(project, path), { method: "DELETE", keepalive });
}

export async function createFolder(project: string, path: string): Promise<void> {
  await send(apiPath("projects", project, "folders"), { method: "POST", json: { path } });
}

export async function deleteFolder(
  project: string,
  path: string,
  keepalive = false,
): Promise<void> {
  await send(apiPath("projects", project, "folders", path), { method: "DELETE", keepalive });
}

export async function movePath(project: string, from: string, to: string): Promise<void> {
  await send(apiPath("projects", project, "move"), { method: "POST", json: { from, to } });
}

/** Put files into a folder; each keeps its own relative path below it. */
export async function uploadFiles(
  project: string,
  folder: string,
  files: readonly { readonly path: string; readonly file: File }[],
): Promise<void> {
  const form = new FormData();
  for (const { path, file } of files) form.append("files", file, path);
  const query = new URLSearchParams({ path: folder });
  await send(`${apiPath("projects", project, "upload")}?${query}`, { method: "POST", body: form });
}

export function fileAddress(project: string, path: string): string {
  return apiPath("projects", project, "files", path);
}

function conditionHeaders(condition: WriteCondition): Record<string, string> {
  switch (condition.kind) {
    case "version":
      return { "if-match": condition.etag };
    case "absent":
      return { "if-none-match": "*" };
    case "any":
      return {};
  }
}
