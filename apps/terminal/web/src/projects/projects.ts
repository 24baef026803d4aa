/** The projects a person can open. */

import {
  createProject,
  deleteProject,
  importArchive,
  listProjects,
  renameProject,
} from "../api/projects.ts";
import { Resource } from "../remote.ts";
import type { Project } from "../wire/project.ts";

export class Projects {
  readonly list = new Resource<readonly Project[]>(listProjects);

  constructor() {
    void this.list.load();
  }

  create(name: string): Promise<Project> {
    return createProject(name);
  }

  /** A new project that holds an archive's files. */
  async createFrom(archive: File): Promise<Project> {
    const name = archive.name.replace(/\.(zip|tar\.gz|tgz)$/i, "");
    const project = await this.create(name);
    await importArchive(project.id, archive);
    return project;
  }

  async rename(project: Project, name: string): Promise<void> {
    await renameProject(project.id, name);
    await this.list.load();
  }

  async remove(project: Project): Promise<void> {
    await deleteProject(project.id);
    await this.list.load();
  }
}
