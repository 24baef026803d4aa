"""Brings a workspace from one tree to another, touching only what nobody else has touched since.

Runs on the workspace's own thread, with the rights of the project's user and no more. Each file
appears whole or not at all.
"""

import contextlib
import errno
import os
import posixpath
import secrets
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from apps.terminal.workspace.errors import WorkspaceFullError
from apps.terminal.workspace.ignore import UNFINISHED
from apps.terminal.workspace.scan import Known, Stamp
from apps.terminal.workspace.tree import Entry, parents

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


class Folder:
    """A workspace on disk, as of a scan or of the last fetch.

    Args:
        root: The workspace.
        known: Files as they were when last seen; kept up to date here.
    """

    def __init__(self, root: Path, known: dict[str, Known]) -> None:
        self.root = root
        self.known = known

    def write(self, entries: Mapping[str, Entry], contents: Mapping[str, bytes]) -> list[str]:
        """Write `entries`, whose contents are given by hash; the paths left as they were.

        A file that someone has changed, made or removed since it was last seen is left, as is one
        that cannot be written.

        Raises:
            WorkspaceFullError: The disk is full; what was written before stays.
        """
        left = []
        for path, entry in entries.items():
            try:
                self._write(path, entry, b"" if entry.link else contents[entry.hash])
            except OSError as error:
                if error.errno in NO_SPACE:
                    raise WorkspaceFullError(path) from error
                left.append(path)
        return left

    def remove(self, paths: Iterable[str]) -> list[str]:
        """Remove files, and the folders that are empty then; the paths left as they were."""
        left: list[str] = []
        emptied: set[str] = set()
        for path in paths:
            try:
                self._check_untouched(path)
                (self.root / path).unlink(missing_ok=True)
            except OSError:
                left.append(path)
                continue
            self.known.pop(path, None)
            emptied.update(parents(path))
        self.unmake(emptied)
        return left

    def make(self, folders: Iterable[str]) -> None:
        """Make folders, as far as nothing is in their way."""
        for folder in folders:
            with contextlib.suppress(OSError):
                self._make_folders(folder)

    def unmake(self, folders: Iterable[str]) -> None:
        """Remove folders that hold nothing, not even something ignored."""
        for folder in sorted(folders, key=len, reverse=True):
            with contextlib.suppress(OSError):
                (self.root / folder).rmdir()

    def _write(self, path: str, entry: Entry, data: bytes) -> None:
        target = self.root / path
        self._check_untouched(path)
        self._make_folders(posixpath.dirname(path))
        unfinished = target.with_name(f"{UNFINISHED}{secrets.token_hex(6)}")
        try:
            if entry.link is None:
                _write_new(unfinished, data, entry.mode)
            else:
                unfinished.symlink_to(entry.link)
            unfinished.rename(target)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        # Not settled: it may be changed again before the clock ticks.
        self.known[path] = Known(Stamp.of(target.lstat()), entry)

    def _make_folders(self, folder: str) -> None:
        """Make a folder and those above it; a link in the way is not followed."""
        for part in reversed([folder, *parents(folder)] if folder else []):
            place = self.root / part
            try:
                place.mkdir()
            except FileExistsError:
                if not stat.S_ISDIR(place.lstat().st_mode):
                    raise

    def _check_untouched(self, path: str) -> None:
        """Refuse a file that is not as it was last seen."""
        try:
            found = Stamp.of((self.root / path).lstat())
        except FileNotFoundError:
            found = None
        expected = self.known.get(path)
        if found != (expected.stamp if expected else None):
            raise OSError(errno.EBUSY, "has changed meanwhile")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(data)
        os.fchmod(file.fileno(), mode)
