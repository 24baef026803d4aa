"""Files from elsewhere into a project's contents: archives, and plain objects."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from msgspec.structs import replace

from apps.terminal.workspace.archive import Unpacked, unpacked
from apps.terminal.workspace.blobs import Blobs
from apps.terminal.workspace.limits import ProjectLimits
from apps.terminal.workspace.tree import Entry, Tree, check_limits, checked, digest
from tidegate.objects import Objects

BATCH_BYTES = 32 * 1024 * 1024


async def from_archive(
    blobs: Blobs, source: bytes | Path, limits: ProjectLimits, now: float
) -> tuple[dict[str, Entry], list[str]]:
    """Store what an archive holds; its files and its folders. Raises as `unpacked`."""
    entries: dict[str, Entry] = {}
    folders: list[str] = []
    reading = unpacked(source, limits)
    while batch := await asyncio.to_thread(_next_batch, reading):
        contents: dict[str, bytes] = {}
        for each in batch:
            if each.data is None:
                folders.append(each.path)
            else:
                entry = entries[each.path] = _entry(each, each.data, now)
                contents[entry.hash] = each.data
        await blobs.put(contents)
    return entries, folders


def _entry(each: Unpacked, data: bytes, now: float) -> Entry:
    if each.is_link:
        return Entry.of_link(data.decode(), now)
    return Entry(digest(data), len(data), each.executable, modified_at=now)


async def listed(
    objects: Objects, place: str, limits: ProjectLimits, kept: Collection[str]
) -> dict[str, Entry]:
    """The plain objects below `place` as entries without a hash yet.

    Args:
        objects: Where they are.
        place: Their prefix, without a slash at the end.
        limits: How many and how large they may be.
        kept: First folders to leave out.

    Raises:
        PathError: A key cannot be a path.
        ProjectFullError: They are too many or too large.
    """
    entries: dict[str, Entry] = {}
    async for info in objects.list(place):
        path = info.key.removeprefix(f"{place}/")
        if path.partition("/")[0] in kept:
            continue
        entries[checked(path)] = Entry("", info.size, modified_at=info.modified_at.timestamp())
        if len(entries) > limits.files:
            break
    check_limits(Tree(entries), Tree(), limits)
    return entries


async def from_plain(objects: Objects, blobs: Blobs, place: str, entries: dict[str, Entry]) -> None:
    """Store the contents of `entries`, which lie below `place`, and give each its hash."""
    for batch in _batches(entries):
        contents: dict[str, bytes] = {}
        for path in batch:
            data = await objects.get(f"{place}/{path}")
            entries[path] = replace(entries[path], hash=digest(data), size=len(data))
            contents[entries[path].hash] = data
        await blobs.put(contents)


def _next_batch(reading: Iterator[Unpacked]) -> list[Unpacked]:
    """Entries that fit in memory together; none at the end."""
    batch: list[Unpacked] = []
    total = 0
    for each in reading:
        batch.append(each)
        total += len(each.data or b"")
        if total > BATCH_BYTES:
            break
    return batch


def _batches(entries: Mapping[str, Entry]) -> Iterator[list[str]]:
    """Paths whose files fit in memory together."""
    batch: list[str] = []
    total = 0
    for path, entry in entries.items():
        if batch and total + entry.size > BATCH_BYTES:
            yield batch
            batch, total = [], 0
        batch.append(path)
        total += entry.size
    if batch:
        yield batch
