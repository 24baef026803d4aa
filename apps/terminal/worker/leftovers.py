"""Workspaces that nobody has used for long, removed from a worker's disk."""

import shutil
from pathlib import Path
from typing import Final

from apps.terminal.sandbox.identity import Locked

AFTER: Final = 14 * 86400.0


def remove_leftovers(folder: Path, now: float) -> list[str]:
    """Remove what is unused in `folder` since two weeks; the names of the workspaces removed.

    All that they held has been saved, or their worker died with it two weeks ago. One that is
    held by any process of this machine is left.
    """
    return [
        place.name
        for place in sorted(folder.iterdir())
        if place.is_dir() and not place.name.startswith(".") and _removed(place, now)
    ]


def _removed(place: Path, now: float) -> bool:
    beside = [place.with_name(f".{place.name}.{kind}") for kind in ("state", "scratch", "lock")]
    if now - _last_used(place, *beside) < AFTER:
        return False
    held = Locked.try_take(place.with_name(f".{place.name}.lock"))
    if held is None:
        return False
    for each in (place, *beside):
        if each.is_dir():
            shutil.rmtree(each, ignore_errors=True)
        else:
            each.unlink(missing_ok=True)
    held.close()
    return True


def _last_used(*places: Path) -> float:
    return max((place.lstat().st_mtime for place in places if place.exists()), default=0.0)
