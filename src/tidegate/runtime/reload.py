"""What `tidegate up --reload` watches: source files, and whether the app still declares well."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec

from tidegate.errors import DeclarationError
from tidegate.launchers.child import python
from tidegate.spec import AppSpec

_LOOK_EVERY: Final = 0.4
_SETTLED_AFTER: Final = 0.1
_SKIPPED: Final = frozenset({"node_modules", "__pycache__", "dist", "build", "venv"})

Stamps = dict[str, int]


async def changes(folder: Path) -> AsyncIterator[list[Path]]:
    """Python files below `folder` that were written, made or removed, as it happens.

    Hidden folders and those of packages are passed over. Files saved together come together.
    """
    seen = stamps(folder)
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        now = stamps(folder)
        if now != seen:
            now = await _settled(folder, now)
            changed = dict(set(now.items()) ^ set(seen.items()))
            seen = now
            yield sorted(Path(path) for path in changed)


async def _settled(folder: Path, now: Stamps) -> Stamps:
    while True:
        await asyncio.sleep(_SETTLED_AFTER)  # an editor may still be writing the others
        later = stamps(folder)
        if later == now:
            return now
        now = later


def stamps(folder: Path) -> Stamps:
    """When each Python file below `folder` was last written, in nanoseconds."""
    return dict(_stamps(str(folder)))


def _stamps(folder: str) -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _SKIPPED:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _stamps(entry.path)
            elif entry.name.endswith(".py"):
                yield entry.path, entry.stat().st_mtime_ns


async def checked(target: str) -> AppSpec:
    """What the app declares now, read by a process of its own, since this one has the old code.

    Raises:
        DeclarationError: It cannot be imported, or declares something wrong; the message says all.
    """
    process = await asyncio.create_subprocess_exec(
        *python("-m", "tidegate", "check", target, "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise DeclarationError(err.decode(errors="replace").strip())
    return msgspec.json.decode(out, type=AppSpec)
