import { Icon, MenuButton, type MenuItem } from "@tidegate/ui";
import { useRef, useState } from "preact/hooks";
import { archiveAddress, deleteProject, importArchive, renameProject } from "../api/projects.ts";
import { tellFailure } from "../failure.ts";
import { PeopleDialog } from "../projects/people-dialog.tsx";
import { DeleteProject, RenameProject } from "../projects/project-dialogs.tsx";
import { go } from "../route.ts";
import type { Workspace } from "./workspace.ts";

type Wish = "rename" | "people" | "delete" | undefined;

interface ProjectBarProps {
  workspace: Workspace;
  /** The name now, which a rename may have changed since the project was opened. */
  name: string;
  onRenamed: (name: string) => void;
  /** Whether anybody else could come in: not where there is no sign-in. */
  isShareable: boolean;
}

/** The open project's name and what can be done with the whole of it. */
export function ProjectBar({ workspace, name, onRenamed, isShareable }: ProjectBarProps) {
  const { project, files } = workspace;
  const [wish, setWish] = useState<Wish>();
  const archive = useRef<HTMLInputElement>(null);
  const close = () => setWish(undefined);
  const listing = files.listing.value;
  const size = {
    files: listing?.files.length ?? project.files,
    bytes: listing?.files.reduce((sum, file) => sum + file.size, 0) ?? project.bytes,
  };
  const take = async (file: File | undefined) => {
    if (!file) return;
    try {
      await importArchive(project.id, file);
      await files.listing.load();
    } catch (error) {
      tellFailure(`${file.name} could not be imported.`, error);
    }
  };
  const items = barMenu(workspace, isShareable, setWish, () => archive.current?.click());
  return (
    <>
      <span class="crumb-mark" aria-hidden="true">
        /
      </span>
      <h1 class="crumb">{name}</h1>
      {project.role !== "owner" && <span class={`role role-${project.role}`}>{project.role}</span>}
      <MenuButton label={`Actions for ${name}`} icon="chevronDown" items={items} />
      {project.role === "owner" && isShareable && (
        <button
          type="button"
          class="icon-button bar-share"
          aria-label="People"
          title="People"
          onClick={() => setWish("people")}
        >
          <Icon name="share" />
        </button>
      )}
      <input
        ref={archive}
        type="file"
        accept=".zip,.tgz,.tar.gz,application/gzip,application/zip"
        hidden
        aria-label="Archive to import"
        onChange={(event) => {
          void take(event.currentTarget.files?.[0]);
          event.currentTarget.value = "";
        }}
      />
      {wish === "rename" && (
        <RenameProject
          project={{ name }}
          onClose={close}
          onRename={async (next) => {
            await renameProject(project.id, next);
            onRenamed(next);
          }}
        />
      )}
      {wish === "people" && <PeopleDialog project={{ id: project.id, name }} onClose={close} />}
      {wish === "delete" && (
        <DeleteProject
          project={{ name, ...size }}
          onClose={close}
          onDelete={async () => {
            await deleteProject(project.id);
            go({ kind: "projects" });
          }}
        />
      )}
    </>
  );
}

function barMenu(
  { project, canWrite }: Workspace,
  isShareable: boolean,
  setWish: (wish: Wish) => void,
  pickArchive: () => void,
): readonly MenuItem[] {
  const isOwner = project.role === "owner";
  const exporting: MenuItem = {
    label: "Export as zip",
    icon: "download",
    run: () => location.assign(archiveAddress(project.id)),
  };
  const importing: MenuItem = { label: "Import an archive", icon: "archive", run: pickArchive };
  const sharing: MenuItem = { label: "People", icon: "share", run: () => setWish("people") };
  const owning: readonly MenuItem[] = [
    ...(isShareable ? [sharing] : []),
    { label: "Rename", icon: "pencil", run: () => setWish("rename") },
    { label: "Delete project", icon: "trash", isDangerous: true, run: () => setWish("delete") },
  ];
  return [exporting, ...(canWrite ? [importing] : []), ...(isOwner ? owning : [])];
}
