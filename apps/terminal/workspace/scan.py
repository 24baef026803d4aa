"""Reads a workspace into a tree: only what changed since the last time is read.

Runs on the workspace's own thread, with the rights of the project's user and no more.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from msgspec import Struct

from apps.terminal.workspace.errors import PathError
from apps.terminal.workspace.ignore import RULES_BYTES, RULES_FILE, Ignored
from apps.terminal.workspace.tree import Entry, Tree, checked, digest, parents, stays_inside

BATCH_BYTES = 32 * 1024 * 1024
NANOSECONDS = 1_000_000_000
# The clock of a file system ticks a hundred times a second or more.
TICK = NANOSECONDS // 50


class Stamp(Struct, frozen=True, array_like=True):
    """What the file system says of a file; the same again means the same content.

    Attributes:
        modified: Nanoseconds, as a program may set them.
        changed: Nanoseconds, as no program can.
        size: Bytes.
        inode: Which file it is.
        mode: Kind and permissions.
    """

    modified: int
    changed: int
    size: int
    inode: int
    mode: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        """The stamp of a stat result."""
        return cls(found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)


class Known(Struct, frozen=True, array_like=True):
    """A file as it was seen last.

    Attributes:
        stamp: Its stamp then.
        entry: What it held.
        is_settled: Whether the same stamp means the same content. A file seen within a tick of
            the clock after its last change can change again without its stamp telling.
    """

    stamp: Stamp
    entry: Entry
    is_settled: bool = False

    @classmethod
    def seen(cls, found: os.stat_result, entry: Entry, now: float) -> "Known":
        """A file that was read or written at `now`, seconds since the epoch."""
        stamp = Stamp.of(found)
        return cls(stamp, entry, stamp.changed < int(now * NANOSECONDS) - TICK)


class Skipped(Struct, frozen=True):
    """A file that was left out, and why, in words."""

    path: str
    reason: str


@dataclass(slots=True)
class Scan:
    """A workspace as it was found.

    Attributes:
        ignored: What of it is not part of the project.
        known: Files and links by path, those unread with their content unknown until read.
        unread: Files whose content is new or may be.
        folders: Every folder that is not ignored.
        unknown: Paths that could not be read; below a folder, all of it.
        skipped: Those, and why.
    """

    ignored: Ignored
    known: dict[str, Known] = field(default_factory=dict)
    unread: dict[str, Stamp] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    skipped: list[Skipped] = field(default_factory=list)

    def unread_batches(self) -> Iterator[list[str]]:
        """The unread files in groups that fit in memory together; a large one is alone."""
        batch: list[str] = []
        total = 0
        for path, stamp in list(self.unread.items()):
            if batch and total + stamp.size > BATCH_BYTES:
                yield batch
                batch, total = [], 0
            batch.append(path)
            total += stamp.size
        if batch:
            yield batch

    def doubt(self, is_doubtful: Callable[[str, Entry], bool]) -> None:
        """Have the known files that are doubtful read again.

        A content that was read once need not have been stored: the save may have failed then.
        """
        for path, known in list(self.known.items()):
            if known.entry.link is None and is_doubtful(path, known.entry):
                self.unread[path] = self.known.pop(path).stamp

    @property
    def total_bytes(self) -> int:
        """Size of all files, read or not."""
        known = sum(known.entry.size for known in self.known.values())
        return known + sum(stamp.size for stamp in self.unread.values())

    def tree(self, base: Tree) -> Tree:
        """What the workspace holds; of what is ignored or unknown, what `base` says."""
        files = {path: known.entry for path, known in self.known.items()}
        for path, entry in base.files.items():
            if path not in files and self._is_out_of_sight(path, is_folder=False):
                files[path] = entry
        kept = {folder for folder in base.folders if self._is_out_of_sight(folder, is_folder=True)}
        return Tree.tidy(files, self.folders | kept)

    def _is_out_of_sight(self, path: str, *, is_folder: bool) -> bool:
        above = list(parents(path))
        return (
            any(place in self.unknown for place in ("", path, *above))
            or self.ignored(path, is_folder=is_folder)
            or any(self.ignored(folder, is_folder=True) for folder in above)
        )


def scanned(root: Path, before: Mapping[str, Known], largest: int) -> Scan:
    """What `root` holds now.

    Args:
        root: The workspace.
        before: Files as they were read last.
        largest: Bytes above which a file is left out.
    """
    scan = Scan(Ignored(_rules(root)))
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(root / folder))
        except OSError as error:
            _skip(scan, folder, f"cannot be read: {error.strerror}")
            continue
        for entry in entries:
            path = posixpath.join(folder, entry.name)
            if _is_wanted(scan, path, is_folder=entry.is_dir(follow_symlinks=False)):
                waiting.extend(_visit(scan, path, entry, before, largest))
    scan.skipped.sort(key=lambda skipped: skipped.path)
    return scan


def _is_wanted(scan: Scan, path: str, *, is_folder: bool) -> bool:
    try:
        checked(path)
    except PathError as error:
        scan.skipped.append(Skipped(os.fsencode(path).decode(errors="replace"), str(error)))
        return False
    return not scan.ignored(path, is_folder=is_folder)


def _visit(
    scan: Scan, path: str, entry: os.DirEntry[str], before: Mapping[str, Known], largest: int
) -> Iterator[str]:
    """Note one entry; what it gives is a folder to look into."""
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return  # gone again
    if stat.S_ISDIR(found.st_mode):
        scan.folders.add(path)
        yield path
    elif stat.S_ISLNK(found.st_mode):
        _link(scan, path, entry.path, found)
    elif not stat.S_ISREG(found.st_mode):
        _skip(scan, path, "is neither a file, a folder nor a link")
    elif found.st_size > largest:
        mib = 1024 * 1024
        _skip(scan, path, f"has {found.st_size // mib} MiB; the limit is {largest // mib} MiB")
    else:
        _file(scan, path, found, before)


def _file(scan: Scan, path: str, found: os.stat_result, before: Mapping[str, Known]) -> None:
    stamp, known = Stamp.of(found), before.get(path)
    if known is None or not known.is_settled or known.stamp != stamp:
        scan.unread[path] = stamp
    else:
        scan.known[path] = known


def _link(scan: Scan, path: str, full: str, found: os.stat_result) -> None:
    try:
        target = os.readlink(full)  # noqa: PTH115 - a Path would tidy it up
    except OSError:
        return
    if "\0" in target or not target.isprintable() or not stays_inside(path, target):
        _skip(scan, path, "is a link that leaves the project")
        return
    scan.known[path] = Known(Stamp.of(found), Entry.of_link(target, found.st_mtime))


def _skip(scan: Scan, path: str, reason: str) -> None:
    scan.unknown.add(path)
    scan.skipped.append(Skipped(path or ".", reason))


def _rules(root: Path) -> list[str]:
    try:
        data, _ = read_regular(root / RULES_FILE, RULES_BYTES)
    except OSError:
        return []
    return data.decode(errors="replace").splitlines()


def read_unread(
    root: Path, scan: Scan, paths: Iterable[str], largest: int, now: float
) -> dict[str, bytes]:
    """Read files that `scan` has not; their contents by hash, and `scan` then knows them.

    A file that is gone again, or cannot be read, is noted in `scan` instead.
    """
    contents = {}
    for path in paths:
        del scan.unread[path]
        try:
            data, found = read_regular(root / path, largest)
        except FileNotFoundError:
            continue
        except OSError as error:
            _skip(scan, path, f"cannot be read: {error.strerror}")
            continue
        executable = bool(found.st_mode & stat.S_IXUSR)
        entry = Entry(digest(data), len(data), executable, modified_at=found.st_mtime)
        scan.known[path] = Known.seen(found, entry, now)
        contents[entry.hash] = data
    return contents


def read_regular(path: Path, largest: int) -> tuple[bytes, os.stat_result]:
    """A regular file's content, at most `largest` bytes, and its state before it was read.

    Raises:
        OSError: It cannot be read, or is no regular file, or has become larger.
    """
    # Not blocking, in case it has just become a pipe that nobody writes to.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "is no regular file")
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, "has grown over the limit")
    return data, found
