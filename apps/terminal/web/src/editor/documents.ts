/** The files open in the editor, in the order of their tabs. */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { showToast } from "@tidegate/ui";
import { tellFailure } from "../failure.ts";
import { touches } from "../files/files.ts";
import { go, projectRoute } from "../route.ts";
import type { ProjectEvent } from "../wire/files.ts";
import { OpenDocument } from "./document.ts";

/** Unsaved documents of projects that were left, by project; they open again with it. */
const left = new Map<string, readonly OpenDocument[]>();

/** Unsaved documents of the project that is open. */
let unsavedHere: () => readonly OpenDocument[] = () => [];

addEventListener("beforeunload", (event) => {
  if (unsavedHere().length > 0 || left.size > 0) event.preventDefault();
});

export class Documents {
  readonly #open = signal<readonly OpenDocument[]>([]);
  readonly #shownPath = signal<string | undefined>(undefined);

  constructor(readonly project: string) {
    this.#open.value = left.get(project) ?? [];
    this.#shownPath.value = this.#open.value[0]?.path;
    left.delete(project);
    unsavedHere = () => this.#unsaved();
  }

  get open(): ReadonlySignal<readonly OpenDocument[]> {
    return this.#open;
  }

  readonly shown: ReadonlySignal<OpenDocument | undefined> = computed(() =>
    this.#open.value.find((document) => document.path === this.#shownPath.value),
  );

  show(path: string): void {
    if (!this.#open.peek().some((document) => document.path === path)) {
      this.#open.value = [...this.#open.peek(), new OpenDocument(this.project, path)];
    }
    this.#shownPath.value = path;
  }

  close(document: OpenDocument): void {
    const open = this.#open.peek();
    const at = open.indexOf(document);
    const neighbour = open[at + 1] ?? open[at - 1];
    if (document === this.shown.peek()) this.#shownPath.value = neighbour?.path;
    this.#open.value = open.filter((other) => other !== document);
    if (!document.isDirty.peek()) return;
    showToast({
      text: `Closed ${document.path} with unsaved changes`,
      action: { label: "Undo", run: () => this.#reopen(document) },
      stays: 12,
    });
  }

  async save(document: OpenDocument): Promise<void> {
    try {
      if (await document.save())
        showToast({ tone: "done", text: `Saved ${document.path}`, stays: 2 });
    } catch (error) {
      tellFailure(`${document.path} could not be saved.`, error);
    }
  }

  /** Files changed in the project, perhaps some that are open. */
  take(event: ProjectEvent): void {
    for (const document of this.#open.peek()) {
      const what = touches(event, document.path);
      if (what)
        document
          .happened(what)
          .catch((error: unknown) => tellFailure("A change could not be read.", error));
    }
  }

  /** Leave the project; what is unsaved is kept until it is opened again. */
  dispose(): void {
    const unsaved = this.#unsaved();
    unsavedHere = () => [];
    if (unsaved.length === 0) return;
    left.set(this.project, unsaved);
    const what = unsaved.length === 1 ? unsaved[0]?.path : `${unsaved.length} files`;
    showToast({
      tone: "wait",
      text: `${what} not saved`,
      action: { label: "Go back", run: () => go(projectRoute(this.project)) },
      stays: 12,
    });
  }

  #unsaved(): readonly OpenDocument[] {
    return this.#open.peek().filter((document) => document.isDirty.peek());
  }

  #reopen(document: OpenDocument): void {
    this.#open.value = [...this.#open.peek(), document];
    this.#shownPath.value = document.path;
  }
}
