"""A project's files, read and edited where they are stored: no worker and no folder needed."""

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from apps.terminal.workspace import edits
from apps.terminal.workspace.archive import zipped
from apps.terminal.workspace.blobs import Blobs
from apps.terminal.workspace.collect import collect
from apps.terminal.workspace.errors import CommitContentionError, FileMissingError, PathError
from apps.terminal.workspace.limits import DEFAULT_LIMITS, ProjectLimits
from apps.terminal.workspace.manifest import (
    BLOBS,
    MANIFESTS,
    PACKS,
    Commits,
    Manifest,
    new_nonce,
)
from apps.terminal.workspace.outcome import Saved
from apps.terminal.workspace.transfer import from_archive, from_plain, listed
from apps.terminal.workspace.tree import Entry, Tree, changes, check_limits, checked, digest
from apps.terminal.workspace.workspace import TRIES
from tidegate.clock import SYSTEM, Clock
from tidegate.objects import Objects

OWN_FOLDERS = frozenset({BLOBS, MANIFESTS, PACKS})


class ProjectFiles:
    """The files of one project, as the page sees them. Safe to share between tasks.

    Every edit is one commit; edits of different files never disturb each other. The methods that
    change something return what has changed, and raise `CommitContentionError` if others keep
    committing first, and `ProjectFullError` past a limit.

    Args:
        objects: Where projects are stored.
        project: Its id.
        limits: How large it may be.
        clock: Where times come from.
    """

    def __init__(
        self,
        objects: Objects,
        project: str,
        *,
        limits: ProjectLimits = DEFAULT_LIMITS,
        clock: Clock = SYSTEM,
    ) -> None:
        self._objects = objects
        self._folder = f"projects/{project}"
        self._limits = limits
        self._clock = clock
        self._commits = Commits(objects, project)
        self._blobs = Blobs(objects, project)

    # Reading

    async def newest(self) -> Manifest:
        """The newest commit: its number, tree and conflicts."""
        return await self._commits.newest()

    async def read(self, path: str) -> tuple[bytes, Entry]:
        """A file's content and entry; of a link, its target.

        Raises:
            FileMissingError: There is none.
        """
        entry = (await self.newest()).tree.files.get(path)
        if entry is None:
            raise FileMissingError(path)
        return await self._content(entry), entry

    async def archive(self) -> AsyncIterator[bytes]:
        """The project as a zip, in pieces."""
        manifest = await self.newest()
        async for piece in zipped(manifest.tree, self._content):
            yield piece

    # Editing

    async def write(
        self,
        path: str,
        data: bytes,
        *,
        author: str = "",
        if_match: str | None = None,
        executable: bool | None = None,
    ) -> Saved:
        """Store a file, with the folders it needs.

        Args:
            path: Where.
            data: Its content.
            author: Who.
            if_match: Hash the file there must have, "" for none there, None for no matter.
            executable: Whether it may be run; None to leave that as it is.

        Raises:
            EditConflictError: The file has another hash.
            PathTakenError: A folder is there, or a file is where a folder is needed.
            PathError: The path cannot be.
        """
        checked(path)
        entry = Entry(digest(data), len(data), modified_at=self._clock.now())

        def change(tree: Tree) -> Tree:
            found = tree.files.get(path)
            runs = (found is not None and found.executable) if executable is None else executable
            return edits.with_file(tree, path, replace(entry, executable=runs), if_match)

        return await self._edit(change, author, {entry.hash: data})

    async def write_many(self, files: Mapping[str, bytes], *, author: str = "") -> Saved:
        """Store several files in one commit, over what is there; raises as `write`."""
        now = self._clock.now()
        entries = {
            path: Entry(digest(data), len(data), modified_at=now) for path, data in files.items()
        }
        contents = {entries[path].hash: data for path, data in files.items()}
        return await self._edit(lambda tree: edits.with_files(tree, entries), author, contents)

    async def delete(self, path: str, *, author: str = "", if_match: str | None = None) -> Saved:
        """Remove a file.

        Raises:
            FileMissingError: There is none.
            EditConflictError: It has another hash than `if_match`.
        """
        return await self._edit(lambda tree: edits.without_file(tree, path, if_match), author)

    async def mkdir(self, path: str, *, author: str = "") -> Saved:
        """Make a folder; fine if it is there. Raises `PathTakenError` where a file is."""
        return await self._edit(lambda tree: edits.with_folder(tree, path), author)

    async def rmdir(self, path: str, *, author: str = "") -> Saved:
        """Remove a folder and all below it; raises `FileMissingError` if there is none."""
        return await self._edit(lambda tree: edits.without_folder(tree, path), author)

    async def move(self, source: str, target: str, *, author: str = "") -> Saved:
        """Rename a file or a folder.

        Raises:
            FileMissingError: Nothing is at `source`.
            PathTakenError: Something is at `target`.
            PathError: `target` cannot be, or lies in `source`.
        """
        return await self._edit(lambda tree: edits.moved(tree, source, target), author)

    # Whole trees

    async def import_archive(self, source: bytes | Path, *, author: str = "") -> Saved:
        """Unpack a zip or tar over the project, in one commit.

        Raises:
            ArchiveError: It is damaged, or something else.
            PathError: A path in it leads out of the project.
            ProjectFullError: It holds too much; the project is as it was.
        """
        entries, folders = await from_archive(self._blobs, source, self._limits, self._clock.now())

        def change(tree: Tree) -> Tree:
            after = edits.with_files(tree, entries)
            for folder in folders:
                after = edits.with_folder(after, folder)
            return after

        return await self._edit(change, author)

    async def import_tree(self, prefix: str | None = None, *, author: str = "") -> Saved:
        """Take the plain objects below `prefix` into the project, in one commit.

        Args:
            prefix: Where they are; the project's own place, `projects/{id}`, by default.
            author: Who.

        Raises:
            ProjectFullError: They are too many or too large.
        """
        place = prefix or self._folder
        entries = await listed(self._objects, place, self._limits, self._kept(place))
        await from_plain(self._objects, self._blobs, place, entries)
        return await self._edit(lambda tree: edits.with_files(tree, entries), author)

    async def export_tree(self, prefix: str | None = None) -> int:
        """Store each file as a plain object below `prefix`; the number of files.

        Links are left out: an object store has none. What is there already stays.

        Args:
            prefix: Where to; the project's own place, `projects/{id}`, by default.

        Raises:
            PathError: In its own place, a folder has a name that Tidegate keeps for itself.
        """
        place = prefix or self._folder
        files = [item for item in (await self.newest()).tree.files.items() if item[1].link is None]
        for path, _ in files:
            if path.partition("/")[0] in self._kept(place):
                raise PathError(path, "its folder is Tidegate's own there; give another prefix")
        for path, entry in files:
            await self._objects.put(f"{place}/{path}", await self._content(entry))
        return len(files)

    async def collect(self, *, keep: int = 10, age: float = 86_400.0) -> int:
        """Remove what no commit worth keeping needs; the number of objects removed.

        Args:
            keep: Newest commits that are kept, however old.
            age: Seconds for which everything is kept, for those who are reading or writing it.
        """
        return await collect(
            self._objects, self._folder, self._commits, keep, self._clock.now() - age
        )

    async def destroy(self) -> None:
        """Remove the project with all its commits. What was exported to its own place goes too."""
        keys = [info.key async for info in self._objects.list(self._folder)]
        await self._objects.delete(*keys)
        self._commits.known = Manifest()

    async def _content(self, entry: Entry) -> bytes:
        return await self._blobs.get(entry.hash) if entry.link is None else entry.link.encode()

    def _kept(self, place: str) -> frozenset[str]:
        """Folders of `place` that hold the project itself."""
        return OWN_FOLDERS if place == self._folder else frozenset()

    async def _edit(
        self,
        change: Callable[[Tree], Tree],
        author: str,
        contents: Mapping[str, bytes] | None = None,
    ) -> Saved:
        """Commit what `change` makes of the newest tree, whichever that turns out to be."""
        check_now = change((await self.newest()).tree)
        check_limits(check_now, self._commits.known.tree, self._limits)
        await self._blobs.put(contents or {})
        for _ in range(TRIES):
            before = self._commits.known
            after = change(before.tree)
            if after.is_same(before.tree):
                return Saved(commit=before.commit)
            check_limits(after, before.tree, self._limits)
            if await self._append(before, after, author, contents or {}):
                seen = changes(before.tree, after)
                return Saved(
                    commit=before.commit + 1,
                    changed=tuple(sorted(seen.written)),
                    removed=seen.removed,
                )
            await self.newest()
        raise CommitContentionError(TRIES)

    async def _append(
        self, before: Manifest, after: Tree, author: str, fresh: Mapping[str, bytes]
    ) -> bool:
        tree, pack = await self._blobs.packed(after, before.pack, fresh)
        manifest = Manifest(
            commit=before.commit + 1,
            nonce=new_nonce(),
            epoch=before.epoch,
            author=author,
            committed_at=self._clock.now(),
            tree=tree,
            pack=pack,
        )
        return await self._commits.append(manifest)
