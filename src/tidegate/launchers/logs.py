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


def _is_log(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(".log") and entry.is_file(follow_symlinks=False)
