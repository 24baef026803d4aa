"""How much disk a project's files take, watched while a command runs.

Reading every size is slow in a folder with 20,000 files, asking the file system for its free space
is not: the files are counted only when enough space has gone for the limit to be in question.
"""

import asyncio
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512
MIB = 1024 * 1024
SLACK = 16 * MIB
TICK = 0.25


@dataclass(frozen=True, slots=True)
class DiskBudget:
    """When to count again, and when it is too much.

    Attributes:
        allowed: Bytes the folders may take.
        used: Bytes they took when counted last.
        free: Bytes the file system had left then.
    """

    allowed: int
    used: int
    free: int

    @classmethod
    def at_start(cls, limit: int, used: int, free: int) -> "DiskBudget":
        """The budget of a command that starts now; who is over `limit` may stay but not grow."""
        return cls(max(limit, used + SLACK), used, free)

    def is_in_question(self, free: int) -> bool:
        """Whether enough space has gone since the last count to count again."""
        return self.free - free >= max((self.allowed - self.used) // 2, SLACK)

    def counted(self, used: int, free: int) -> "DiskBudget":
        """The budget after another count."""
        return DiskBudget(self.allowed, used, free)

    @property
    def is_spent(self) -> bool:
        """Whether the last count was over what is allowed."""
        return self.used > self.allowed


class DiskWatch:
    """Says when a command has taken more disk than it may.

    Args:
        folders: Where its files are, all on one file system.
        limit: Bytes they may take together.
    """

    def __init__(self, folders: Sequence[Path], limit: int) -> None:
        self._folders = folders
        self._limit = limit

    async def until_spent(self) -> str:
        """Wait until too much is used, and say how much; forever if it never is."""
        budget = DiskBudget.at_start(self._limit, *await self._counted())
        while not budget.is_spent:
            await asyncio.sleep(TICK)
            if budget.is_in_question(self._free()):
                budget = budget.counted(*await self._counted())
        return f"files take {budget.used // MIB} MiB; the limit is {self._limit // MIB} MiB"

    async def _counted(self) -> tuple[int, int]:
        # Free space first: what is written while counting is then counted again, not missed.
        free = self._free()
        return await asyncio.to_thread(used_bytes, self._folders), free

    def _free(self) -> int:
        # The parent, because a command may remove its own home.
        return free_bytes(self._folders[0].parent)


def used_bytes(folders: Iterable[Path]) -> int:
    """Disk that `folders` and all below them take; a file with several names counts once.

    What cannot be read, or vanishes meanwhile, counts nothing. Links are not followed.
    """
    seen: set[tuple[int, int]] = set()
    return sum(_folder_bytes(str(folder), seen) for folder in folders)


def _folder_bytes(folder: str, seen: set[tuple[int, int]]) -> int:
    total, waiting = 0, [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if stat.S_ISDIR(found.st_mode):
                        waiting.append(entry.path)
                    elif found.st_nlink == 1 or (found.st_dev, found.st_ino) not in seen:
                        total += found.st_blocks * BLOCK
                        seen.add((found.st_dev, found.st_ino))
        except OSError:
            continue
    return total


def free_bytes(folder: Path) -> int:
    """Space left on the file system of `folder`."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
