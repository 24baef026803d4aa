import { CopyButton, Dialog, NameDialog, TypedNameDialog } from "@tidegate/ui";
import { useState } from "preact/hooks";
import { invitePeople } from "../api/projects.ts";
import { told } from "../failure.ts";
import { bytesInWords } from "../files/tree.ts";
import type { Invite, Project } from "../wire/project.ts";

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

type Invitation =
  | { readonly kind: "choosing"; readonly problem?: string }
  | { readonly kind: "making" }
  | { readonly kind: "made"; readonly invite: Invite; readonly role: "viewer" | "editor" };

export function InvitePeople({
  project,
  onClose,
}: {
  project: Pick<Project, "id" | "name">;
  onClose: () => void;
}) {
  const [state, setState] = useState<Invitation>({ kind: "choosing" });
  const make = async (role: "viewer" | "editor") => {
    setState({ kind: "making" });
    try {
      setState({ kind: "made", invite: await invitePeople(project.id, role), role });
    } catch (error) {
      setState({ kind: "choosing", problem: told(error).text });
    }
  };
  if (state.kind === "made") {
    const address = new URL(state.invite.url, location.href).href;
    return (
      <Dialog title={`Invite to ${project.name}`} onClose={onClose}>
        <p class="dialog-text">
          Whoever opens this link joins as {state.role}, until{" "}
          {new Date(state.invite.expires_at).toLocaleString(undefined, {
            dateStyle: "medium",
            timeStyle: "short",
          })}
          .
        </p>
        <div class="copy-line">
          <code>{address}</code>
          <CopyButton text={address} label="Copy link" />
        </div>
      </Dialog>
    );
  }
  const isBusy = state.kind === "making";
  return (
    <Dialog title={`Invite to ${project.name}`} onClose={onClose}>
      <div class="choices-big">
        <button type="button" disabled={isBusy} onClick={() => void make("viewer")}>
          <strong>Viewer</strong>
          <span>Reads files and watches terminals.</span>
        </button>
        <button type="button" disabled={isBusy} onClick={() => void make("editor")}>
          <strong>Editor</strong>
          <span>Also writes files and runs commands.</span>
        </button>
      </div>
      <p class="field-problem" aria-live="polite">
        {state.kind === "choosing" ? state.problem : ""}
      </p>
    </Dialog>
  );
}
