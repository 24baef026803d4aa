"""Which files a command may write, and which it may not read, where the kernel has Landlock.

Landlock only ever allows: a rule opens a folder and all below it. To hide a folder, everything
beside it is opened instead, at each level from the root down to it.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

CREATE_RULESET = 444
VERSION_FLAG = 1
# Version 1 refuses every rename from one folder to another, which npm and git need.
OLDEST_USEFUL = 2

WRITABLE = ("/dev", "/proc", "/tmp", "/var/tmp")  # noqa: S108 - where programs expect to write


def version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    answer: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, VERSION_FLAG)
    return max(answer, 0)


def entries(folder: Path) -> list[Path]:
    """What `folder` holds, less its links: opened, a link would open what it leads to."""
    return [path for path in folder.iterdir() if not path.is_symlink()]


def beside(
    hidden: Iterable[Path], listing: Callable[[Path], Iterable[Path]] = entries
) -> list[Path]:
    """Everything but `hidden`, as folders and files to open: the neighbours at each level.

    What appears later beside a hidden folder's parents stays closed.
    """
    closed = outermost(hidden)
    on_the_way = {parent for path in closed for parent in path.parents}
    opened: list[Path] = []
    for folder in sorted(on_the_way):
        here = _listed(folder, listing)
        opened += [path for path in here if path not in closed and path not in on_the_way]
    return opened


def outermost(folders: Iterable[Path]) -> set[Path]:
    """Those of `folders` that lie in no other."""
    found = {Path(os.path.normpath(path)) for path in folders}
    return {path for path in found if found.isdisjoint(path.parents)}


def writable(hidden: Iterable[Path]) -> list[str]:
    """Folders that any command may write, besides its own: those with nothing hidden in them."""
    kept_shut = {parent for path in outermost(hidden) for parent in path.parents}
    return [folder for folder in WRITABLE if Path(folder) not in kept_shut]


def _listed(folder: Path, listing: Callable[[Path], Iterable[Path]]) -> list[Path]:
    try:
        return sorted(listing(folder))
    except OSError:
        return []


def programs(path: str, home: Path) -> list[Path]:
    """What of the home folder must stay readable for the programs on `path` to run.

    A program in `PREFIX/bin` needs the rest of PREFIX; one in the home's own `bin` does not.
    """
    kept = []
    for entry in map(Path, path.split(":")):
        if home in entry.parents:
            personal = entry.parent in {home, home / ".local"}
            kept += [entry, home / ".local" / "lib"] if personal else [entry.parent]
    return kept
