/** A project's files: the listing, kept current by the project's channel, and changes to it. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { showToast } from "@tidegate/ui";
import {
  createFolder,
  deleteFile,
  deleteFolder,
  listFiles,
  movePath,
  uploadFiles,
  writeFile,
} from "../api/files.ts";
import type { Gateway } from "../connection/gateway.ts";
import { tellFailure } from "../failure.ts";
import { Resource } from "../remote.ts";
import { Removals } from "../undo.ts";
import { decode } from "../wire/decode.ts";
import { type FileListing, type ProjectEvent, projectEvent } from "../wire/files.ts";
import { isWithin, parentOf, type Row } from "./tree.ts";
import type { Upload } from "./upload.ts";

export type FilesListener = (event: ProjectEvent) => void;

/** Files in one request, so that a large folder shows progress and a failure loses little. */
const UPLOAD_BATCH = 20;

export class ProjectFiles {
  readonly listing: Resource<FileListing>;
  readonly removals = new Removals();
  readonly open = signal<ReadonlySet<string>>(new Set());
  readonly filter = signal("");
  readonly #uploading = signal<{ readonly done: number; readonly of: number } | undefined>(
    undefined,
  );
  readonly #stop: () => void;

  constructor(
    readonly project: string,
    gateway: Gateway,
    readonly onEvent: FilesListener,
  ) {
    this.listing = new Resource(() => listFiles(project));
    void this.listing.load();
    this.#stop = gateway.follow(`project:${project}`, {
      onSubscribed: () => void this.listing.load(),
      onData: (data) => this.#take(data),
      onDenied: () => {},
    });
  }

  /** Every path that exists, folders without files included. */
  readonly paths: ReadonlySignal<ReadonlySet<string>> = computed(() => {
    const listing = this.listing.value;
    return new Set([
      ...(listing?.files.map((file) => file.path) ?? []),
      ...(listing?.folders ?? []),
    ]);
  });

  get uploading(): ReadonlySignal<{ readonly done: number; readonly of: number } | undefined> {
    return this.#uploading;
  }

  toggle(path: string, isOpen = !this.open.peek().has(path)): void {
    const next = new Set(this.open.peek());
    if (isOpen) next.add(path);
    else next.delete(path);
    this.open.value = next;
  }

  /** Open every folder above `path`. */
  reveal(path: string): void {
    const next = new Set(this.open.peek());
    for (let above = parentOf(path); above !== ""; above = parentOf(above)) next.add(above);
    this.open.value = next;
  }

  async createFile(path: string): Promise<void> {
    await writeFile(this.project, path, "", { kind: "absent" });
    this.reveal(path);
    await this.listing.load();
  }

  async createFolder(path: string): Promise<void> {
    await createFolder(this.project, path);
    this.reveal(path);
    await this.listing.load();
  }

  /** Rename or move; can be undone. */
  async move(from: string, to: string): Promise<void> {
    await movePath(this.project, from, to);
    this.reveal(to);
    await this.listing.load();
    showToast({
      text: `Moved to ${to}`,
      action: { label: "Undo", run: () => void this.moveOrTell(to, from) },
    });
  }

  /** Move, and tell a failure where there is no dialog to show it in. */
  async moveOrTell(from: string, to: string): Promise<void> {
    try {
      await this.move(from, to);
    } catch (error) {
      tellFailure(`${from} could not be moved.`, error);
    }
  }

  remove(row: Pick<Row, "path" | "kind">): void {
    const perform = row.kind === "file" ? deleteFile : deleteFolder;
    this.removals.remove(row.path, `Deleted ${row.path}`, async (isLeaving) => {
      await perform(this.project, row.path, isLeaving);
      if (!isLeaving) await this.listing.load();
    });
  }

  async upload(folder: string, uploads: readonly Upload[]): Promise<void> {
    if (uploads.length === 0) return;
    try {
      for (let done = 0; done < uploads.length; done += UPLOAD_BATCH) {
        this.#uploading.value = { done, of: uploads.length };
        await uploadFiles(this.project, folder, uploads.slice(done, done + UPLOAD_BATCH));
      }
      const what = uploads.length === 1 ? (uploads[0]?.path ?? "") : `${uploads.length} files`;
      showToast({ tone: "done", text: `Uploaded ${what}${folder === "" ? "" : ` to ${folder}`}` });
    } catch (error) {
      tellFailure("The upload stopped; files sent before it are kept.", error);
    } finally {
      this.#uploading.value = undefined;
      await this.listing.load();
    }
  }

  dispose(): void {
    this.#stop();
    this.removals.dispose();
  }

  #take(data: unknown): void {
    const event = decode(projectEvent, data, `project:${this.project}`);
    if (event.type === "files" && event.commit <= (this.listing.value?.commit ?? -1)) return;
    void this.listing.load();
    this.onEvent(event);
    if (event.type === "conflict") tellConflict(event);
  }
}

/** Whether an event says that `path` has other content, or none. */
export function touches(event: ProjectEvent, path: string): "changed" | "removed" | undefined {
  if (event.type !== "files") return undefined;
  if (event.removed.some((gone) => isWithin(path, gone))) return "removed";
  return event.changed.includes(path) ? "changed" : undefined;
}

function tellConflict(event: Extract<ProjectEvent, { type: "conflict" }>): void {
  const path = event.path ?? "A file";
  const kept = event.kept ? ` The other version is ${event.kept}.` : "";
  showToast({
    tone: "wait",
    text: `${path} was changed in two places; both are kept.${kept}`,
    stays: 20,
  });
}
