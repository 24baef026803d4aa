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
HOME_SECRETS = "everything in the home folder but the programs on PATH"


def version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    answer: int = ctypes.CDLL(None).syscall(CREATE_RULESET, None, 0, VERSION_FLAG)
    return max(answer, 0)


def beside(
    hidden: Iterable[Path], listing: Callable[[Path], Iterable[Path]] = Path.iterdir
) -> list[Path]:
    """Everything but `hidden`, as folders and files to open: the neighbours at each level.

    What appears later beside a hidden folder's parents stays closed.
    """
    closed = {Path(os.path.normpath(path)) for path in hidden}
    on_the_way = {parent for path in closed for parent in path.parents}
    opened: list[Path] = []
    for folder in sorted(on_the_way - _below(closed)):
        entries = _listed(folder, listing)
        opened += [path for path in entries if path not in closed and path not in on_the_way]
    return opened


def _below(closed: set[Path]) -> set[Path]:
    return {path for path in closed if closed.intersection(path.parents)} | closed


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
