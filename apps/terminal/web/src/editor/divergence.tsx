import { tellFailure } from "../failure.ts";
import type { OpenDocument } from "./document.ts";
import type { Documents } from "./documents.ts";

/** Says what happened to the file elsewhere and offers the ways out. */
export function Divergence({
  documents,
  document,
}: {
  documents: Documents;
  document: OpenDocument;
}) {
  const { kind } = document.divergence.value;
  const tryTo = (what: string, work: Promise<unknown>) => {
    work.catch((error: unknown) => tellFailure(`${document.path} could not be ${what}.`, error));
  };
  if (kind === "none") return null;
  if (kind === "removed") {
    return (
      <div class="divergence" role="alert">
        <span>This file was deleted in the project. Saving writes it again.</span>
        <button type="button" class="button button-quiet" onClick={() => documents.close(document)}>
          Close it
        </button>
      </div>
    );
  }
  if (document.theirs.value !== undefined) {
    return (
      <div class="divergence" role="status">
        <span>
          Differences from the stored file are marked. Saving replaces it with what you see.
        </span>
        <button
          type="button"
          class="button button-quiet"
          onClick={() => void documents.save(document)}
        >
          Save this
        </button>
        <button
          type="button"
          class="button button-quiet"
          onClick={() => tryTo("read", document.load())}
        >
          Take theirs whole
        </button>
      </div>
    );
  }
  return (
    <div class="divergence" role="alert">
      <span>The file changed in the project since you opened it. Your text is not saved.</span>
      <button
        type="button"
        class="button button-quiet"
        onClick={() => tryTo("compared", document.compare())}
      >
        Compare
      </button>
      <button
        type="button"
        class="button button-quiet"
        onClick={() => tryTo("overwritten", document.overwrite())}
      >
        Keep mine
      </button>
      <button
        type="button"
        class="button button-quiet"
        onClick={() => tryTo("read", document.load())}
      >
        Take theirs
      </button>
    </div>
  );
}
