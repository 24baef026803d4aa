"""The logs of processes: bounded, and readable while they grow.

Programs append to their file by themselves, so what they last said is there however they and their
supervisor ended. Lines written in the instant of a rotation may be lost.
"""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 8 * 1024 * 1024
"""Bytes of one log; with the one file before it, twice that is kept."""

KEPT_TASK_LOGS: Final = 200
_TEND_EVERY: Final = 2.0
_LINE_BYTES: Final = 400
_LONGEST_READ: Final = 1024 * 1024


async def tend(*folders: Path) -> None:
    """Keep the logs in these folders bounded, for ever: their size, and how many there are."""
    while True:
        for folder in folders:
            rotate_all(folder)
        await asyncio.sleep(_TEND_EVERY)


def rotate_all(folder: Path, *, max_bytes: int = MAX_BYTES, keep: int = KEPT_TASK_LOGS) -> None:
    """Rotate what is too long, and remove the oldest logs beyond `keep`."""
    sizes = {Path(entry.path): entry.stat() for entry in os.scandir(folder) if _is_log(entry)}
    for log, status in sizes.items():
        if status.st_size > max_bytes:
            rotate(log)
    by_age = sorted(sizes, key=lambda log: sizes[log].st_mtime, reverse=True)
    for log in by_age[keep:]:
        log.unlink(missing_ok=True)
        earlier(log).unlink(missing_ok=True)


def rotate(log: Path) -> None:
    """Move the text of a log to the file before it; its writer goes on with an empty one."""
    shutil.copyfile(log, earlier(log))
    os.truncate(log, 0)  # its writer appends, so its next line is the first again


def earlier(log: Path) -> Path:
    """Where the part of a log from before its rotation is."""
    return log.with_suffix(".log.1")


def last_lines(log: Path, count: int) -> list[str]:
    """The last `count` lines of a log; fewer where they are very long."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - count * _LINE_BYTES, 0))
        return file.read(end).decode(errors="replace").splitlines()[-count:]


class Follower:
    """Reads what is added to a log, rotations included.

    Args:
        log: The log.
        from_start: Begin with what is there; otherwise with what is added from now.
    """

    def __init__(self, log: Path, *, from_start: bool = False) -> None:
        self._log = log
        self._at = 0 if from_start else log.stat().st_size
        self._rest = b""

    def lines(self) -> list[str]:
        """Whole lines added since the last call, at most a megabyte of them."""
        try:
            with self._log.open("rb") as file:
                if file.seek(0, os.SEEK_END) < self._at:
                    self._at = 0  # it was rotated
                file.seek(self._at)
                data = file.read(_LONGEST_READ)
        except FileNotFoundError:
            return []
        self._at += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


def _is_log(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".log") and entry.is_file(follow_symlinks=False)
