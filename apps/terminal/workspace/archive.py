"""Projects as archives: zip out, zip or tar in."""

import io
import posixpath
import tarfile
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from msgspec import Struct

from apps.terminal.workspace.errors import ArchiveError, PathError, ProjectFullError
from apps.terminal.workspace.limits import ProjectLimits
from apps.terminal.workspace.tree import Entry, Tree, checked, stays_inside

FILE_KIND, LINK_KIND, FOLDER_KIND = 0o100000, 0o120000, 0o040000
KIND_MASK = 0o170000
EARLIEST = 315_532_800.0  # 1980, the first year a zip knows
READ_BYTES = 1024 * 1024


class Unpacked(Struct, frozen=True):
    """One entry of an archive.

    Attributes:
        path: Where in the project.
        data: Content; the target, for a link; None for a folder.
        executable: Whether it may be run.
        is_link: Whether it is a link.
    """

    path: str
    data: bytes | None
    executable: bool = False
    is_link: bool = False


# -- out ------------------------------------------------------------------------------------


class _Pipe(io.RawIOBase):
    """What a zip writes, taken away as it comes; it cannot be gone back in."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        self._data += view
        return view.nbytes

    def taken(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


async def zipped(tree: Tree, content: Callable[[Entry], Awaitable[bytes]]) -> AsyncIterator[bytes]:
    """A zip of `tree`, as it is made; holds one file in memory at a time.

    Args:
        tree: What goes in.
        content: Gives the content of a file.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in sorted(tree.folders):
            archive.writestr(_zip_info(f"{folder}/", FOLDER_KIND | 0o755, EARLIEST), b"")
        for path, entry in sorted(tree.files.items()):
            kind = FILE_KIND if entry.link is None else LINK_KIND
            info = _zip_info(path, kind | entry.mode, entry.modified_at)
            data = await content(entry) if entry.link is None else entry.link.encode()
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
            yield pipe.taken()
    yield pipe.taken()


def _zip_info(path: str, mode: int, modified_at: float) -> zipfile.ZipInfo:
    moment = datetime.fromtimestamp(max(modified_at, EARLIEST), UTC)
    info = zipfile.ZipInfo(path, moment.timetuple()[:6])
    info.external_attr = mode << 16
    return info


# -- in -------------------------------------------------------------------------------------


def unpacked(source: bytes | Path, limits: ProjectLimits) -> Iterator[Unpacked]:
    """The entries of a zip or a tar (plain, gz, bz2, xz), each checked as it is read.

    What an archive claims of its sizes is not believed: reading stops at a limit.

    Raises:
        ArchiveError: It is neither, is damaged, or holds what a project cannot.
        PathError: A path in it leads out of the project.
        ProjectFullError: It holds more than a project may.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
    with file:
        is_zip = zipfile.is_zipfile(file)
        file.seek(0)
        try:
            yield from _within(_zip_entries(file) if is_zip else _tar_entries(file), limits)
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, OSError) as error:
            raise ArchiveError(f"expected a zip or tar archive, found damage: {error}") from error


def _within(
    entries: Iterator[tuple[str, int, IO[bytes] | None]], limits: ProjectLimits
) -> Iterator[Unpacked]:
    total = count = 0
    for name, mode, stream in entries:
        path = _path(name)
        if not path:
            continue
        data = None if stream is None else _read(stream, path, limits)
        total += len(data or b"")
        count += data is not None
        if total > limits.total_bytes:
            raise ProjectFullError("total_bytes", limits.total_bytes, total)
        if count > limits.files:
            raise ProjectFullError("files", limits.files, count)
        is_link = mode & KIND_MASK == LINK_KIND
        if is_link and not stays_inside(path, (data or b"").decode(errors="replace")):
            raise PathError(path, "it is a link that leaves the project")
        yield Unpacked(path, data, bool(mode & 0o100) and not is_link, is_link)


def _path(name: str) -> str:
    """The path that an archive's name stands for; empty for the archive's own root."""
    if name.startswith("/"):
        raise PathError(name, "it is absolute")
    path = posixpath.normpath(name)
    return "" if path == "." else checked(path)


def _read(stream: IO[bytes], path: str, limits: ProjectLimits) -> bytes:
    data = stream.read(limits.file_bytes + 1)
    if len(data) > limits.file_bytes:
        raise ProjectFullError("file_bytes", limits.file_bytes, len(data), path)
    return data


def _zip_entries(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                yield info.filename, mode, None
            else:
                with archive.open(info) as stream:
                    yield info.filename, mode, stream


def _tar_entries(file: IO[bytes]) -> Iterator[tuple[str, int, IO[bytes] | None]]:
    with tarfile.open(fileobj=file, mode="r|*") as archive:
        for member in archive:
            if member.isdir():
                yield member.name, member.mode, None
            elif member.issym():
                yield member.name, LINK_KIND, io.BytesIO(member.linkname.encode())
            elif member.isfile():
                yield member.name, FILE_KIND | member.mode, archive.extractfile(member)
            else:
                raise ArchiveError(
                    f"expected files, folders and links, found {member.name!r}: "
                    "pack it without devices and hard links"
                )
