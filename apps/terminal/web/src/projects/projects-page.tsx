import {
  Empty,
  Failed,
  Icon,
  MenuButton,
  type MenuItem,
  NameDialog,
  RelativeTime,
  type Shortcut,
  Skeleton,
  useShortcuts,
} from "@tidegate/ui";
import { useMemo, useRef, useState } from "preact/hooks";
import { archiveAddress } from "../api/projects.ts";
import { tellFailure, told } from "../failure.ts";
import { bytesInWords } from "../files/tree.ts";
import { follow, go, type Route, routeAddress } from "../route.ts";
import type { Project } from "../wire/project.ts";
import { DeleteProject, RenameProject } from "./project-dialogs.tsx";
import { Projects } from "./projects.ts";

type Wish =
  | { readonly kind: "create" }
  | { readonly kind: "rename"; readonly project: Project }
  | { readonly kind: "delete"; readonly project: Project };

/** Every project the person can open. */
export function ProjectsPage() {
  const [projects] = useState(() => new Projects());
  const [wish, setWish] = useState<Wish>();
  const [filter, setFilter] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const archive = useRef<HTMLInputElement>(null);
  useShortcuts(useProjectKeys(search, list, setWish));

  const create = async (name: string) => {
    const project = await projects.create(name);
    go(projectRoute(project.id));
  };
  const createFrom = async (file: File | undefined) => {
    if (!file) return;
    try {
      go(projectRoute((await projects.createFrom(file)).id));
    } catch (error) {
      tellFailure("The archive could not be imported.", error);
    }
  };
  const state = projects.list.state.value;
  const isEmpty = state.kind === "ready" && state.value.length === 0;
  return (
    <main class="projects">
      <header class="projects-head">
        <h1>Projects</h1>
        {!isEmpty && (
          <>
            <label class="search">
              <Icon name="search" />
              <span class="visually-hidden">Find a project</span>
              <input
                ref={search}
                type="search"
                placeholder="Find a project"
                value={filter}
                onInput={(event) => setFilter(event.currentTarget.value)}
              />
              {filter === "" && <kbd>/</kbd>}
            </label>
            <button type="button" class="button" onClick={() => archive.current?.click()}>
              <Icon name="archive" /> Import
            </button>
            <button
              type="button"
              class="button button-primary"
              onClick={() => setWish({ kind: "create" })}
            >
              <Icon name="add" /> New project
            </button>
          </>
        )}
        <input
          ref={archive}
          type="file"
          accept=".zip,.tgz,.tar.gz,application/gzip,application/zip"
          hidden
          aria-label="Archive to import"
          onChange={(event) => {
            void createFrom(event.currentTarget.files?.[0]);
            event.currentTarget.value = "";
          }}
        />
      </header>
      {state.kind === "loading" && <Skeleton rows={5} label="Loading projects" />}
      {state.kind === "failed" && (
        <Failed
          title="The projects could not be listed"
          advice="The service did not answer as expected. Nothing is lost."
          detail={told(state.error).detail}
          onRetry={() => void projects.list.load()}
        />
      )}
      {isEmpty && (
        <NoProjects
          onCreate={() => setWish({ kind: "create" })}
          onImport={() => archive.current?.click()}
        />
      )}
      {state.kind === "ready" && !isEmpty && (
        <ProjectList
          listRef={list}
          projects={matching(state.value, filter)}
          filter={filter}
          onWish={setWish}
        />
      )}
      {wish?.kind === "create" && (
        <NameDialog
          title="New project"
          label="Name"
          action="Create"
          hint="You can rename it later."
          onSubmit={create}
          onClose={() => setWish(undefined)}
        />
      )}
      {wish?.kind === "rename" && (
        <RenameProject
          project={wish.project}
          onRename={(name) => projects.rename(wish.project, name)}
          onClose={() => setWish(undefined)}
        />
      )}
      {wish?.kind === "delete" && (
        <DeleteProject
          project={wish.project}
          onDelete={() => projects.remove(wish.project)}
          onClose={() => setWish(undefined)}
        />
      )}
    </main>
  );
}

function NoProjects({ onCreate, onImport }: { onCreate: () => void; onImport: () => void }) {
  return (
    <Empty
      icon="terminal"
      title="Start with a project"
      actions={
        <>
          <button type="button" class="button button-primary" onClick={onCreate}>
            <Icon name="add" /> New project
          </button>
          <button type="button" class="button" onClick={onImport}>
            <Icon name="archive" /> Import an archive
          </button>
        </>
      }
    >
      A project is a folder of files and the terminals that work on it. Commands run in workers;
      files and output stay when you close this page.
    </Empty>
  );
}

interface ProjectListProps {
  listRef: { current: HTMLUListElement | null };
  projects: readonly Project[];
  filter: string;
  onWish: (wish: Wish) => void;
}

function ProjectList({ listRef, projects, filter, onWish }: ProjectListProps) {
  if (projects.length === 0) return <p class="projects-none">No project matches “{filter}”.</p>;
  return (
    <ul ref={listRef} class="project-list">
      {projects.map((project) => (
        <ProjectRow key={project.id} project={project} onWish={onWish} />
      ))}
    </ul>
  );
}

function ProjectRow({ project, onWish }: { project: Project; onWish: (wish: Wish) => void }) {
  const to = projectRoute(project.id);
  const files = project.files === 1 ? "1 file" : `${project.files.toLocaleString()} files`;
  return (
    <li class="project-row">
      <a class="project-link" href={routeAddress(to)} onClick={follow(to)}>
        <span class="project-name">{project.name}</span>
        <span class="project-facts">
          <span class="project-files">{files}</span>
          <span class="project-bytes">{bytesInWords(project.bytes)}</span>
          <span class="project-time">
            <RelativeTime at={project.updated_at} />
          </span>
          <span class={`role role-${project.role}`}>{project.role}</span>
        </span>
      </a>
      <MenuButton label={`Actions for ${project.name}`} items={rowMenu(project, onWish)} />
    </li>
  );
}

function rowMenu(project: Project, onWish: (wish: Wish) => void): readonly MenuItem[] {
  const exporting: MenuItem = {
    label: "Export as zip",
    icon: "download",
    run: () => location.assign(archiveAddress(project.id)),
  };
  if (project.role !== "owner") return [exporting];
  return [
    exporting,
    { label: "Rename", icon: "pencil", run: () => onWish({ kind: "rename", project }) },
    {
      label: "Delete",
      icon: "trash",
      isDangerous: true,
      run: () => onWish({ kind: "delete", project }),
    },
  ];
}

function matching(projects: readonly Project[], filter: string): readonly Project[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return projects
    .filter((project) => words.every((word) => project.name.toLowerCase().includes(word)))
    .toSorted((one, other) => other.updated_at - one.updated_at);
}

function projectRoute(id: string): Route {
  return { kind: "project", id, terminal: undefined, file: undefined };
}

function useProjectKeys(
  search: { current: HTMLInputElement | null },
  list: { current: HTMLUListElement | null },
  setWish: (wish: Wish) => void,
): readonly Shortcut[] {
  return useMemo(() => {
    const group = "Projects";
    const move = (by: number) => {
      const links = [...(list.current?.querySelectorAll<HTMLElement>(".project-link") ?? [])];
      const at = links.findIndex((link) => link.matches(":focus"));
      links[Math.max(0, Math.min(links.length - 1, at === -1 ? 0 : at + by))]?.focus();
    };
    return [
      { keys: "/", does: "Find a project", group, run: () => search.current?.focus() },
      { keys: "n", does: "New project", group, run: () => setWish({ kind: "create" }) },
      { keys: "j", does: "Next project", group, run: () => move(1) },
      { keys: "k", does: "Previous project", group, run: () => move(-1) },
      { keys: "enter", does: "Open the project", group },
    ];
  }, [search, list, setWish]);
}
