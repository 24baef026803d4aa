/** Everything one open project holds, with one way to let go of it. */

import { readProject } from "../api/projects.ts";
import type { Gateway } from "../connection/gateway.ts";
import { Documents } from "../editor/documents.ts";
import { ProjectFiles } from "../files/files.ts";
import { Terminals } from "../terminal/terminals.ts";
import type { Project } from "../wire/project.ts";

export class Workspace {
  readonly files: ProjectFiles;
  readonly documents: Documents;
  readonly terminals: Terminals;

  constructor(
    readonly project: Project,
    gateway: Gateway,
    wantedTerminal: string | undefined,
  ) {
    this.documents = new Documents(project.id);
    this.files = new ProjectFiles(project.id, gateway, (event) => this.documents.take(event));
    this.terminals = new Terminals({
      project: project.id,
      projectName: project.name,
      gateway,
      canWrite: this.canWrite,
      wanted: wantedTerminal,
    });
  }

  get canWrite(): boolean {
    return this.project.role !== "viewer";
  }

  dispose(): void {
    this.terminals.dispose();
    this.files.dispose();
    this.documents.dispose();
  }
}

export async function openWorkspace(
  id: string,
  gateway: Gateway,
  wantedTerminal: string | undefined,
): Promise<Workspace> {
  return new Workspace(await readProject(id), gateway, wantedTerminal);
}
