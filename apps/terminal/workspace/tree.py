"""What a project holds at one moment: files, links and empty folders, as plain values."""

import hashlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from msgspec import Struct

from apps.terminal.workspace.errors import PathError, ProjectFullError
from apps.terminal.workspace.limits import ProjectLimits

PATH_BYTES = 1024
NAME_BYTES = 255


class Entry(Struct, frozen=True, array_like=True):
    """A file or a link.

    Attributes:
        hash: SHA-256 of the content in hex; of the target, for a link.
        size: Bytes of content.
        executable: Whether it may be run.
        link: The target of a link, relative to where it lies; None for a file.
        modified_at: Seconds since the epoch.
        is_packed: Whether the content lies in the project's pack as well.
    """

    hash: str
    size: int
    executable: bool = False
    link: str | None = None
    modified_at: float = 0.0
    is_packed: bool = False

    @property
    def mode(self) -> int:
        """Permissions of the file, as a folder gets them."""
        return 0o755 if self.executable else 0o644

    @property
    def identity(self) -> tuple[str, bool, str | None]:
        """What makes it a different file when it changes; the time does not."""
        return self.hash, self.executable, self.link

    @classmethod
    def of_link(cls, target: str, modified_at: float = 0.0) -> Self:
        """A link to `target`."""
        return cls(digest(target.encode()), 0, link=target, modified_at=modified_at)


def same(one: Entry | None, other: Entry | None) -> bool:
    """Whether two entries, or their absence, are the same file."""
    if one is None or other is None:
        return one is other
    return one.identity == other.identity


def digest(data: bytes) -> str:
    """SHA-256 of `data` in hex."""
    return hashlib.sha256(data).hexdigest()


class Tree(Struct, frozen=True):
    """Files by path, and the folders that hold none.

    Attributes:
        files: Path to entry; no path lies below another.
        folders: Folders without any file below them; those that hold files follow from these.
    """

    files: dict[str, Entry] = {}
    folders: frozenset[str] = frozenset()

    @classmethod
    def tidy(cls, files: Mapping[str, Entry], folders: Iterable[str]) -> Self:
        """A tree of these, less the folders that something else shows, or a file displaces."""
        kept = set(folders) - set(files)
        shown = set(above(files)) | {up for path in kept for up in parents(path)}
        return cls(dict(files), frozenset(kept - shown))

    def holds_folder(self, path: str) -> bool:
        """Whether `path` is a folder, empty or not; takes time for each file."""
        return path in self.all_folders()

    def all_folders(self) -> set[str]:
        """Every folder, empty or not."""
        return set(above(self.files)) | self.folders | set(above(self.folders))

    def below(self, folder: str) -> list[str]:
        """Paths of the files below `folder`."""
        return [path for path in self.files if path.startswith(f"{folder}/")]

    @property
    def total_bytes(self) -> int:
        """Size of all files."""
        return sum(entry.size for entry in self.files.values())

    def is_same(self, other: "Tree") -> bool:
        """Whether both hold the same files and folders, whatever their times."""
        return (
            self.folders == other.folders
            and self.files.keys() == other.files.keys()
            and all(same(entry, other.files[path]) for path, entry in self.files.items())
        )


class Changes(Struct, frozen=True):
    """What leads from one tree to another.

    Attributes:
        written: Files and links to write, by path.
        removed: Files and links to remove.
        made: Empty folders to make.
        unmade: Empty folders to remove.
    """

    written: dict[str, Entry] = {}
    removed: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    unmade: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.written or self.removed or self.made or self.unmade)


def changes(old: Tree, new: Tree) -> Changes:
    """What leads from `old` to `new`."""
    return Changes(
        {path: entry for path, entry in new.files.items() if not same(entry, old.files.get(path))},
        tuple(sorted(old.files.keys() - new.files.keys())),
        tuple(sorted(new.folders - old.folders)),
        tuple(sorted(old.folders - new.all_folders())),
    )


def parents(path: str) -> Iterator[str]:
    """The folders above `path`, nearest first."""
    while path := posixpath.dirname(path):
        yield path


def above(paths: Iterable[str]) -> Iterator[str]:
    """The folders above any of `paths`; some several times."""
    for folder in {posixpath.dirname(path) for path in paths} - {""}:
        yield folder
        yield from parents(folder)


def checked(path: str) -> str:
    """`path`, if it can name a file of a project.

    Raises:
        PathError: It is empty, absolute, too long, or leads out.
    """
    if path.startswith("/"):
        raise PathError(path, "it is absolute")
    if "\0" in path or len(_encoded(path)) > PATH_BYTES:
        raise PathError(path, f"it has a NUL or more than {PATH_BYTES} bytes")
    for name in path.split("/"):
        if name in {"", ".", ".."}:
            raise PathError(path, f"{name!r} is no name")
        if len(name.encode()) > NAME_BYTES:
            raise PathError(path, f"a name in it has more than {NAME_BYTES} bytes")
    return path


def _encoded(path: str) -> bytes:
    try:
        return path.encode()
    except UnicodeEncodeError:
        raise PathError(path, "it is not Unicode") from None


def stays_inside(path: str, target: str) -> bool:
    """Whether a link at `path` to `target` stays in the project, wherever other links lead.

    Only leading `..` are trusted: after a name, which may be a link, they could lead anywhere.
    """
    if target.startswith("/"):
        return False
    names = [name for name in target.split("/") if name not in {"", "."}]
    ups = next((at for at, name in enumerate(names) if name != ".."), len(names))
    return ".." not in names[ups:] and ups <= path.count("/")


def check_limits(new: Tree, old: Tree, limits: ProjectLimits) -> None:
    """Refuse `new` if it is over a limit and further over it than `old`.

    Raises:
        ProjectFullError: It is.
    """
    for path, entry in new.files.items():
        if entry.size > limits.file_bytes and not same(entry, old.files.get(path)):
            raise ProjectFullError("file_bytes", limits.file_bytes, entry.size, path)
    if len(new.files) > max(limits.files, len(old.files)):
        raise ProjectFullError("files", limits.files, len(new.files))
    if new.total_bytes > max(limits.total_bytes, old.total_bytes):
        raise ProjectFullError("total_bytes", limits.total_bytes, new.total_bytes)
