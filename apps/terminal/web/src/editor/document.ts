/** One open file: its text as saved and as edited, and what happened to it elsewhere. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { readFile, type WriteCondition, writeFile } from "../api/files.ts";
import { ApiFailure } from "../api/http.ts";

/** Larger files are offered for download instead. */
const EDIT_LIMIT = 2_000_000;
const PRECONDITION_FAILED = 412;

export type DocumentState =
  | { readonly kind: "loading" }
  | { readonly kind: "ready" }
  | { readonly kind: "uneditable"; readonly why: string; readonly bytes: number }
  | { readonly kind: "failed"; readonly error: unknown };

/** How the stored file differs from the one that was opened. */
export type Divergence =
  | { readonly kind: "none" }
  /** It changed, and this page has edits of its own. */
  | { readonly kind: "changed" }
  | { readonly kind: "removed" };

export class OpenDocument {
  readonly state = signal<DocumentState>({ kind: "loading" });
  readonly divergence = signal<Divergence>({ kind: "none" });
  readonly isSaving = signal(false);
  /** The text in the editor. */
  readonly text = signal("");
  /** The stored text, while a person weighs it against the edited one. */
  readonly theirs = signal<string | undefined>(undefined);
  /** Counts texts that came from outside the editor, which then must show them. */
  readonly version = signal(0);
  readonly #saved = signal("");
  #etag = "";

  constructor(
    readonly project: string,
    readonly path: string,
  ) {
    void this.load();
  }

  readonly isDirty: ReadonlySignal<boolean> = computed(
    () => this.state.value.kind === "ready" && this.text.value !== this.#saved.value,
  );

  /** Take the stored file, giving up edits. */
  async load(): Promise<void> {
    try {
      const { bytes, etag } = await readFile(this.project, this.path);
      const opened = decoded(bytes);
      this.state.value = opened.state;
      if (opened.state.kind === "ready") this.#take(opened.text, etag);
    } catch (error) {
      this.state.value = { kind: "failed", error };
    }
  }

  /** Save over the version that was opened; false if the file has changed since. */
  save(): Promise<boolean> {
    const isNew = this.#etag === "" || this.divergence.peek().kind === "removed";
    return this.#write(isNew ? { kind: "absent" } : { kind: "version", etag: this.#etag });
  }

  /** Save whatever is stored now. */
  overwrite(): Promise<boolean> {
    return this.#write({ kind: "any" });
  }

  /** Show the stored text beside the edited one; the next save then replaces that version. */
  async compare(): Promise<void> {
    const { bytes, etag } = await readFile(this.project, this.path);
    const { state, text } = decoded(bytes);
    if (state.kind !== "ready") throw new Error("The stored version is not text any more.");
    this.#etag = etag;
    this.theirs.value = text;
  }

  /** Somebody else wrote or removed the file. */
  async happened(what: "changed" | "removed"): Promise<void> {
    // The channel tells of this page's own saves too.
    if (this.isSaving.peek()) return;
    if (what === "removed") {
      this.divergence.value = { kind: "removed" };
      return;
    }
    if (!this.isDirty.peek()) return await this.load();
    const { etag } = await readFile(this.project, this.path);
    if (etag !== this.#etag) this.divergence.value = { kind: "changed" };
  }

  async #write(condition: WriteCondition): Promise<boolean> {
    const text = this.text.peek();
    this.isSaving.value = true;
    try {
      this.#etag = await writeFile(this.project, this.path, text, condition);
      this.#saved.value = text;
      this.#settle();
      return true;
    } catch (error) {
      if (!(error instanceof ApiFailure) || error.status !== PRECONDITION_FAILED) throw error;
      this.divergence.value = { kind: "changed" };
      return false;
    } finally {
      this.isSaving.value = false;
    }
  }

  #take(text: string, etag: string): void {
    this.#etag = etag;
    this.#saved.value = text;
    this.text.value = text;
    this.#settle();
    this.version.value += 1;
  }

  #settle(): void {
    this.divergence.value = { kind: "none" };
    this.theirs.value = undefined;
  }
}

function decoded(bytes: ArrayBuffer): { readonly state: DocumentState; readonly text: string } {
  const uneditable = (why: string) => ({
    state: { kind: "uneditable", why, bytes: bytes.byteLength } as const,
    text: "",
  });
  if (bytes.byteLength > EDIT_LIMIT) return uneditable("It is too large to edit here.");
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (text.includes("\0")) return uneditable("It holds bytes that are not text.");
    return { state: { kind: "ready" }, text };
  } catch {
    return uneditable("It is not UTF-8 text.");
  }
}
