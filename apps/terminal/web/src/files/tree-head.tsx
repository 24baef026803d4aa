import { Icon, type IconName } from "@tidegate/ui";
import { useRef } from "preact/hooks";
import type { FileWish } from "./file-dialogs.tsx";
import type { ProjectFiles } from "./files.ts";
import { picked } from "./upload.ts";

interface TreeHeadProps {
  files: ProjectFiles;
  canWrite: boolean;
  onWish: (wish: FileWish) => void;
  searchRef: { current: HTMLInputElement | null };
}

/** Finding and making files. */
export function TreeHead({ files, canWrite, onWish, searchRef }: TreeHeadProps) {
  const uploading = files.uploading.value;
  return (
    <header class="files-head">
      <label class="search">
        <Icon name="search" />
        <span class="visually-hidden">Find a file</span>
        <input
          ref={searchRef}
          type="search"
          placeholder="Find a file"
          value={files.filter.value}
          onInput={(event) => {
            files.filter.value = event.currentTarget.value;
          }}
          onKeyDown={(event) => {
            if (event.key !== "Escape") return;
            files.filter.value = "";
            event.currentTarget.blur();
          }}
        />
        {files.filter.value === "" && <kbd>/</kbd>}
      </label>
      {canWrite && (
        <div class="files-actions">
          <HeadButton
            icon="fileAdd"
            name="New file"
            onClick={() => onWish({ kind: "file", folder: "" })}
          />
          <HeadButton
            icon="folderAdd"
            name="New folder"
            onClick={() => onWish({ kind: "folder", folder: "" })}
          />
          <UploadButton files={files} />
        </div>
      )}
      {uploading && (
        <p class="files-progress" role="status">
          Uploading {uploading.done} of {uploading.of}
        </p>
      )}
    </header>
  );
}

function UploadButton({ files }: { files: ProjectFiles }) {
  const picker = useRef<HTMLInputElement>(null);
  const isBusy = files.uploading.value !== undefined;
  return (
    <>
      <HeadButton
        icon="upload"
        name="Upload files"
        isBusy={isBusy}
        onClick={() => picker.current?.click()}
      />
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        aria-label="Files to upload"
        onChange={(event) => {
          void files.upload("", picked(event.currentTarget.files));
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

interface HeadButtonProps {
  icon: IconName;
  name: string;
  isBusy?: boolean;
  onClick: () => void;
}

function HeadButton({ icon, name, isBusy = false, onClick }: HeadButtonProps) {
  return (
    <button
      type="button"
      class="icon-button"
      title={name}
      aria-label={name}
      disabled={isBusy}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}
