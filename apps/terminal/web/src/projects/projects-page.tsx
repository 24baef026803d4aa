import {
  Empty,
  Failed,
  Icon,
  NameDialog,
  type Shortcut,
  Skeleton,
  useShortcuts,
} from "@tidegate/ui";
import { useMemo, useRef, useState } from "preact/hooks";
import { tellFailure, told } from "../failure.ts";
import { go, projectRoute } from "../route.ts";
import { DeleteProject, RenameProject } from "./project-dialogs.tsx";
import { ProjectList, type Wish } from "./project-list.tsx";
import { Projects } from "./projects.ts";

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
        <ProjectList listRef={list} projects={state.value} filter={filter} onWish={setWish} />
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
