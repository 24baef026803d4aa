/** Files a person dropped or picked, folders walked through. */

export interface Upload {
  /** Relative to the folder it was dropped on. */
  readonly path: string;
  readonly file: File;
}

export function picked(files: FileList | null): readonly Upload[] {
  return [...(files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** Everything in a drop. Call it inside the event: the browser forgets the items afterwards. */
export function dropped(transfer: DataTransfer): Promise<readonly Upload[]> {
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry() ?? item.getAsFile());
  return Promise.all(entries.map(walked)).then((lists) => lists.flat());
}

async function walked(entry: FileSystemEntry | File | null): Promise<readonly Upload[]> {
  if (entry === null) return [];
  if (entry instanceof File) return [{ path: entry.name, file: entry }];
  const path = entry.fullPath.replace(/^\//, "");
  if (isFileEntry(entry)) return [{ path, file: await fileOf(entry) }];
  if (!isFolderEntry(entry)) return [];
  const inner = await entriesOf(entry.createReader());
  return (await Promise.all(inner.map(walked))).flat();
}

function isFileEntry(entry: FileSystemEntry): entry is FileSystemFileEntry {
  return entry.isFile;
}

function isFolderEntry(entry: FileSystemEntry): entry is FileSystemDirectoryEntry {
  return entry.isDirectory;
}

function fileOf(entry: FileSystemFileEntry): Promise<File> {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

/** A reader gives at most a hundred entries a call, and an empty list at the end. */
async function entriesOf(reader: FileSystemDirectoryReader): Promise<readonly FileSystemEntry[]> {
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}
