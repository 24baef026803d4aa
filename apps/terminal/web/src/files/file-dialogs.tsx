import { NameDialog } from "@tidegate/ui";
import type { ProjectFiles } from "./files.ts";
import { isWithin, joined, nameOf, pathProblem, type Row } from "./tree.ts";

/** Something a person wants to do that needs a name first. */
export type FileWish =
  | { readonly kind: "file"; readonly folder: string }
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "rename"; readonly row: Row };

interface FileDialogsProps {
  files: ProjectFiles;
  wish: FileWish;
  onOpen: (path: string) => void;
  onClose: () => void;
}

export function FileDialogs({ files, wish, onOpen, onClose }: FileDialogsProps) {
  const taken = files.paths.value;
  switch (wish.kind) {
    case "file":
      return (
        <NameDialog
          title="New file"
          label="Path"
          action="Create"
          initial={wish.folder === "" ? "" : `${wish.folder}/`}
          selectUntil={0}
          hint="Folders in the path are made as needed."
          refuse={(path) => pathProblem(path, taken)}
          onSubmit={async (path) => {
            await files.createFile(path);
            onOpen(path);
          }}
          onClose={onClose}
        />
      );
    case "folder":
      return (
        <NameDialog
          title="New folder"
          label="Name"
          action="Create"
          hint={wish.folder === "" ? "At the top of the project." : `In ${wish.folder}.`}
          refuse={(name) => pathProblem(joined(wish.folder, name), taken)}
          onSubmit={(name) => files.createFolder(joined(wish.folder, name))}
          onClose={onClose}
        />
      );
    case "rename":
      return <RenameDialog files={files} row={wish.row} onClose={onClose} />;
  }
}

function RenameDialog({
  files,
  row,
  onClose,
}: {
  files: ProjectFiles;
  row: Row;
  onClose: () => void;
}) {
  const { path } = row;
  const stem =
    path.length - nameOf(path).length + nameOf(path).replace(/(?<=.)\.[^.]*$/, "").length;
  const refuse = (to: string) => {
    if (to === path) return "That is its name already.";
    if (row.kind === "folder" && isWithin(to, path)) return "A folder cannot move into itself.";
    return pathProblem(to, files.paths.value);
  };
  return (
    <NameDialog
      title={`Rename ${nameOf(path)}`}
      label="Path"
      action="Rename"
      initial={path}
      selectUntil={row.kind === "file" ? stem : path.length}
      hint="A path in another folder moves it there."
      refuse={refuse}
      onSubmit={(to) => files.move(path, to)}
      onClose={onClose}
    />
  );
}
