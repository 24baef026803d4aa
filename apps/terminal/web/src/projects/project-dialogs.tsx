import { NameDialog, TypedNameDialog } from "@tidegate/ui";
import { bytesInWords } from "../files/tree.ts";
import type { Project } from "../wire/project.ts";

interface RenameProps {
  project: Pick<Project, "name">;
  onRename: (name: string) => Promise<void>;
  onClose: () => void;
}

export function RenameProject({ project, onRename, onClose }: RenameProps) {
  return (
    <NameDialog
      title="Rename project"
      label="Name"
      action="Rename"
      initial={project.name}
      onSubmit={onRename}
      onClose={onClose}
    />
  );
}

interface DeleteProps {
  project: Pick<Project, "name" | "files" | "bytes">;
  onDelete: () => Promise<void>;
  onClose: () => void;
}

export function DeleteProject({ project, onDelete, onClose }: DeleteProps) {
  return (
    <TypedNameDialog
      title="Delete project"
      name={project.name}
      action="Delete project"
      onConfirm={onDelete}
      onClose={onClose}
    >
      <p class="dialog-text">
        {project.files.toLocaleString()} files ({bytesInWords(project.bytes)}) and every terminal of
        it are deleted for everyone. This cannot be undone.
      </p>
    </TypedNameDialog>
  );
}
