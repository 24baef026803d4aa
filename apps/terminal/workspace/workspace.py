"""A project's files in a folder, where commands change them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Self, TypeVar

from msgspec.structs import replace

from apps.terminal.workspace.blobs import PACK_BYTES, SMALL_BYTES, Blobs
from apps.terminal.workspace.errors import CommitContentionError, ProjectFullError
from apps.terminal.workspace.folder import Folder
from apps.terminal.workspace.limits import DEFAULT_LIMITS, ProjectLimits
from apps.terminal.workspace.manifest import Commits, Manifest, new_nonce
from apps.terminal.workspace.merge import Merged, merge
from apps.terminal.workspace.outcome import Fetched, Saved
from apps.terminal.workspace.scan import Scan, read_unread, scanned
from apps.terminal.workspace.state import State, read_state, write_state
from apps.terminal.workspace.tree import Changes, Entry, Tree, changes, check_limits, same
from tidegate.clock import SYSTEM, Clock, at
from tidegate.objects import Objects

__all__ = ["TRIES", "Fetched", "Saved", "Workspace"]

T = TypeVar("T")

TRIES = 16


class Workspace:
    """One project's folder. Its methods wait for each other; several commands may work in it.

    Made by `open`. A folder that a worker which died has left is taken up again, with what it had
    not saved.
    """

    def __init__(
        self,
        objects: Objects,
        project: str,
        folder: Path,
        state: State,
        *,
        files: Executor | None,
        limits: ProjectLimits,
        clock: Clock,
    ) -> None:
        self.folder = folder
        self._state = state
        self._limits = limits
        self._clock = clock
        self._files = files
        self._on_disk = Folder(folder, state.known)
        self._commits = Commits(objects, project)
        self._blobs = Blobs(objects, project)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        objects: Objects,
        project: str,
        folder: Path,
        *,
        files: Executor | None = None,
        limits: ProjectLimits = DEFAULT_LIMITS,
        clock: Clock = SYSTEM,
    ) -> Self:
        """The workspace of `project` in `folder`; nothing is fetched yet.

        Args:
            objects: Where projects are stored.
            project: Its id.
            folder: Where; what is kept about it lies beside it, out of the commands' reach.
            files: Threads that touch it: `Lease.files`, so that they have the project's rights.
            limits: How large it may be.
            clock: Where times come from.
        """
        place = f"{objects.address} {project}"
        state = await asyncio.to_thread(read_state, folder, place)
        return cls(objects, project, folder, state, files=files, limits=limits, clock=clock)

    @property
    def commit(self) -> int:
        """The commit the folder shows; 0 before the first fetch."""
        return self._state.commit

    async def fetch(self) -> Fetched:
        """Bring the folder to the newest commit; one short request if it is there already.

        Safe to repeat, and to cancel.

        Raises:
            WorkspaceFullError: The disk is full. What is stored is untouched.
            TidegateError: The object store does not answer, or has lost something.
        """
        async with self._turn:
            if self.commit and await self._commits.is_newest(self.commit):
                return Fetched(commit=self.commit)
            newest = await self._commits.newest()
            done, left = await self._bring(self._state.base, newest)
            await self._remember(newest.commit, self._base_after(newest.tree, left))
            return Fetched(
                commit=newest.commit,
                written=len(done.written),
                removed=len(done.removed),
                left=tuple(left),
            )

    async def changes(self) -> Changes:
        """What has changed here since the last fetch or save."""
        async with self._turn:
            scan = await self._scanned()
            for batch in scan.unread_batches():
                await self._read(scan, batch)
            self._on_disk.known = scan.known
            return changes(self._state.base, scan.tree(self._state.base))

    async def save(self, epoch: int, author: str) -> Saved:
        """Commit what has changed here, merged with what others have committed meanwhile.

        Files that cannot be read, are too large or lead out of the project are left as the
        project has them, and named. A save that fails, or is killed, leaves the project as it was
        and the folder as it is.

        Args:
            epoch: The ownership under which this worker holds the project.
            author: Who, in the name of a conflict's copy.

        Raises:
            StaleEpochError: A newer owner has committed.
            ProjectFullError: The project would be larger than allowed.
            CommitContentionError: Others committed first, again and again; try again.
            TidegateError: The object store does not answer.
        """
        async with self._turn:
            scan = await self._scanned()
            self._check_size(scan)
            fresh = await self._upload(scan)
            ours = scan.tree(self._state.base)
            if ours.is_same(self._state.base):
                return Saved(commit=self.commit, skipped=tuple(scan.skipped))
            await self._commits.newest()
            saved = await self._committed(ours, fresh, epoch, author)
            return replace(saved, skipped=tuple(scan.skipped))

    # Saving

    async def _scanned(self) -> Scan:
        before, largest = self._on_disk.known, self._limits.file_bytes
        return await self._in_thread(lambda: scanned(self.folder, before, largest))

    async def _read(self, scan: Scan, paths: list[str]) -> dict[str, bytes]:
        largest, now = self._limits.file_bytes, self._clock.now()
        return await self._in_thread(lambda: read_unread(self.folder, scan, paths, largest, now))

    def _check_size(self, scan: Scan) -> None:
        """Refuse before anything travels."""
        limits, base = self._limits, self._state.base
        if scan.total_bytes > max(limits.total_bytes, base.total_bytes):
            raise ProjectFullError("total_bytes", limits.total_bytes, scan.total_bytes)
        files = len(scan.known) + len(scan.unread)
        if files > max(limits.files, len(base.files)):
            raise ProjectFullError("files", limits.files, files)

    async def _upload(self, scan: Scan) -> dict[str, bytes]:
        """Store what has changed; the small contents by hash, as many as fit a pack."""
        base = self._state.base.files
        scan.doubt(lambda path, entry: not same(entry, base.get(path)))
        fresh: dict[str, bytes] = {}
        stored: set[str] | None = None
        for batch in scan.unread_batches():
            contents = await self._read(scan, batch)
            found = {path: scan.known[path].entry for path in batch if path in scan.known}
            changed = {
                entry.hash for path, entry in found.items() if not same(entry, base.get(path))
            }
            if changed and stored is None:
                newest = await self._commits.newest()
                stored = {entry.hash for entry in newest.tree.files.values()}
            new = {name: contents[name] for name in changed - (stored or set())}
            await self._blobs.put(new)
            fresh |= {name: data for name, data in new.items() if len(data) <= SMALL_BYTES}
            if sum(map(len, fresh.values())) > PACK_BYTES:
                fresh.clear()  # read again should a pack want them
        self._on_disk.known = scan.known
        return fresh

    async def _committed(
        self, ours: Tree, fresh: dict[str, bytes], epoch: int, author: str
    ) -> Saved:
        now = self._clock.now()
        label = f"{author.replace('/', '-')} at {at(now):%Y-%m-%d %H.%M.%S}"
        for _ in range(TRIES):
            before = self._commits.known
            merged = merge(self._state.base, ours, before.tree, label)
            draft = Manifest(epoch=epoch, author=author, committed_at=now)
            after = await self._appended(merged, fresh, draft)
            if after is not None:
                return await self._settled(ours, merged, before, after)
            await self._commits.newest()
        raise CommitContentionError(TRIES)

    async def _appended(
        self, merged: Merged, fresh: dict[str, bytes], draft: Manifest
    ) -> Manifest | None:
        """The commit that holds `merged`; None if someone else was first."""
        before = self._commits.known
        if merged.tree.is_same(before.tree):
            return before
        check_limits(merged.tree, before.tree, self._limits)
        tree, pack = await self._blobs.packed(merged.tree, before.pack, fresh)
        manifest = replace(
            draft,
            commit=before.commit + 1,
            nonce=new_nonce(),
            tree=tree,
            pack=pack,
            conflicts=merged.conflicts,
        )
        return manifest if await self._commits.append(manifest) else None

    async def _settled(
        self, ours: Tree, merged: Merged, before: Manifest, after: Manifest
    ) -> Saved:
        """Bring the folder to what was committed; others see what changed from `before`."""
        _, left = await self._bring(ours, after)
        await self._remember(after.commit, self._base_after(after.tree, left))
        seen = changes(before.tree, after.tree)
        return Saved(
            commit=after.commit,
            changed=tuple(sorted(seen.written)),
            removed=seen.removed,
            conflicts=merged.conflicts,
        )

    # Both ways

    async def _bring(self, shown: Tree, manifest: Manifest) -> tuple[Changes, list[str]]:
        """Bring the folder, which shows `shown`, to `manifest`; what to do, and what was left."""
        wanted = changes(shown, manifest.tree)
        left = await self._in_thread(lambda: self._cleared(wanted))
        async for contents in self._blobs.stream(list(wanted.written.values()), manifest.pack):
            left += await self._write(wanted.written, contents)
        await self._in_thread(lambda: self._on_disk.make(wanted.made))
        return wanted, left

    def _cleared(self, wanted: Changes) -> list[str]:
        left = self._on_disk.remove(wanted.removed)
        self._on_disk.unmake(wanted.unmade)
        links = {path: entry for path, entry in wanted.written.items() if entry.link is not None}
        return left + self._on_disk.write(links, {})

    async def _write(self, wanted: Mapping[str, Entry], contents: dict[str, bytes]) -> list[str]:
        entries = {
            path: entry
            for path, entry in wanted.items()
            if entry.link is None and entry.hash in contents
        }
        return await self._in_thread(lambda: self._on_disk.write(entries, contents))

    def _base_after(self, tree: Tree, left: Iterable[str]) -> Tree:
        """Where our changes begin now: at `tree`, but for what was left as it is."""
        old, files = self._state.base.files, dict(tree.files)
        for path in left:
            files.pop(path, None)
            if path in old:
                files[path] = old[path]
        return Tree.tidy(files, tree.folders)

    async def _remember(self, commit: int, base: Tree) -> None:
        self._state = replace(
            self._state, commit=commit, base=base, known=dict(self._on_disk.known)
        )
        await asyncio.to_thread(write_state, self.folder, self._state)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._files, work)
