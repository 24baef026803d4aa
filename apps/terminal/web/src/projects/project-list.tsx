import { MenuButton, type MenuItem, RelativeTime } from "@tidegate/ui";
import { archiveAddress } from "../api/projects.ts";
import { bytesInWords } from "../files/tree.ts";
import { follow, projectRoute, routeAddress } from "../route.ts";
import type { Project } from "../wire/project.ts";

/** Something a person wants to do that needs a dialog first. */
export type Wish =
  | { readonly kind: "create" }
  | { readonly kind: "rename"; readonly project: Project }
  | { readonly kind: "delete"; readonly project: Project };

interface ProjectListProps {
  listRef: { current: HTMLUListElement | null };
  /** All of them. */
  projects: readonly Project[];
  filter: string;
  onWish: (wish: Wish) => void;
}

/** Projects that match a filter, those that changed last first. */
export function ProjectList({ listRef, projects, filter, onWish }: ProjectListProps) {
  const shown = matching(projects, filter);
  if (shown.length === 0) return <p class="projects-none">No project matches “{filter}”.</p>;
  return (
    <ul ref={listRef} class="project-list">
      {shown.map((project) => (
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
