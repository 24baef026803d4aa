"""Passing on what programs write to their logs, as they write it."""

import asyncio
from pathlib import Path
from typing import Final

from tidegate.launchers.logs import Follower
from tidegate.runtime.listener import Listener

_LOOK_EVERY: Final = 0.1


async def tell_output(folders: list[Path], listener: Listener) -> None:
    """Tell every line that is added to the logs in these folders, for ever."""
    followers = {log: Follower(log) for log in _logs(folders)}
    while True:
        for log in _logs(folders):
            follower = followers.setdefault(log, Follower(log, from_start=True))
            for line in follower.lines():
                listener.output(log.stem, line)
        await asyncio.sleep(_LOOK_EVERY)


def _logs(folders: list[Path]) -> list[Path]:
    return [log for folder in folders for log in sorted(folder.glob("*.log"))]
