"""Contents of files, by hash: one object each, and the small ones once more in a pack.

A pack is one object with all small files of a project, so that the first fetch of hundreds of them
is one request. It only saves time: every content has its own object, and a reader takes from the
pack what it finds there.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from msgspec import msgpack
from msgspec.structs import replace

from apps.terminal.workspace.manifest import BLOBS, PACKS
from apps.terminal.workspace.tree import Entry, Tree, digest
from tidegate.errors import ObjectError, ObjectMissingError
from tidegate.objects import Objects

T = TypeVar("T")

MIB = 1024 * 1024
AT_ONCE = 16
BATCH_BYTES = 32 * MIB
BATCH_FILES = 512
SMALL_BYTES = 64 * 1024
PACK_BYTES = 8 * MIB
PACK_WORTH = 32
UNPACK_WORTH = 8


class Blobs:
    """The contents of one project; safe to share between tasks.

    Args:
        objects: Where the project is stored.
        project: Its id.
    """

    def __init__(self, objects: Objects, project: str) -> None:
        self._objects = objects
        self._folder = f"projects/{project}"
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def put(self, contents: Mapping[str, bytes]) -> None:
        """Store contents by hash, at most 16 at a time; those there already are refreshed."""
        await together([self._put(name, data) for name, data in contents.items()])

    async def get(self, name: str) -> bytes:
        """The content whose hash is `name`.

        Raises:
            ObjectError: What is stored there is something else.
            ObjectMissingError: Nothing is.
        """
        async with self._slots:
            data = await self._objects.get(self._key(name))
        if digest(data) != name:
            raise ObjectError(f"expected content {name} in the project, found other bytes")
        return data

    async def stream(
        self, entries: Sequence[Entry], pack: str | None
    ) -> AsyncIterator[dict[str, bytes]]:
        """The contents of `entries` by hash, in batches of at most about 32 MiB."""
        wanted = {entry.hash: entry for entry in entries if entry.link is None}
        packed = [entry.hash for entry in wanted.values() if entry.is_packed]
        if pack is not None and len(packed) >= UNPACK_WORTH:
            found = await self.unpacked(pack)
            yield {name: found[name] for name in packed if name in found}
            wanted = {name: entry for name, entry in wanted.items() if name not in found}
        for batch in batches(wanted.values()):
            contents = await together([self.get(entry.hash) for entry in batch])
            yield dict(zip((entry.hash for entry in batch), contents, strict=True))

    async def unpacked(self, pack: str) -> dict[str, bytes]:
        """All of a pack by hash; nothing if it is gone or damaged, as a pack only saves time."""
        try:
            return msgpack.decode(
                await self._objects.get(f"{self._folder}/{PACKS}/{pack}"), type=dict[str, bytes]
            )
        except (ObjectMissingError, ValueError):
            return {}

    async def packed(
        self, tree: Tree, pack: str | None, fresh: Mapping[str, bytes]
    ) -> tuple[Tree, str | None]:
        """`tree` and its pack, made anew if enough small files are in none.

        Args:
            tree: What is to be committed; all its contents are stored.
            pack: The pack so far.
            fresh: Contents at hand, which need not be read again.
        """
        chosen = to_pack(tree)
        if not chosen:
            return tree, pack
        contents = {name: fresh[name] for name in chosen if name in fresh}
        if pack is not None:
            contents |= {k: v for k, v in (await self.unpacked(pack)).items() if k in chosen}
        missing = [chosen[name] for name in chosen.keys() - contents.keys()]
        async for batch in self.stream(missing, None):
            contents |= batch
        data = msgpack.encode(contents)
        name = digest(data)
        await self._objects.put(f"{self._folder}/{PACKS}/{name}", data)
        files = {
            path: replace(entry, is_packed=entry.link is None and entry.hash in contents)
            for path, entry in tree.files.items()
        }
        return replace(tree, files=files), name

    async def _put(self, name: str, data: bytes) -> None:
        async with self._slots:
            await self._objects.put(self._key(name), data)

    def _key(self, name: str) -> str:
        return f"{self._folder}/{BLOBS}/{name}"


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of `calls`, run at once; the first failure ends the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    return [task.result() for task in tasks]


def to_pack(tree: Tree) -> dict[str, Entry]:
    """Contents that a new pack should hold; none while the pack there is serves well enough.

    A new one is worth its cost once 32 small files, and a quarter of all, are in none.
    """
    small = {
        entry.hash: entry
        for entry in sorted(tree.files.values(), key=lambda entry: entry.size)
        if entry.link is None and entry.size <= SMALL_BYTES
    }
    loose = sum(not entry.is_packed for entry in small.values())
    if loose < max(PACK_WORTH, len(small) // 4):
        return {}
    chosen, total = {}, 0
    for name, entry in small.items():
        total += entry.size
        if total > PACK_BYTES:
            break
        chosen[name] = entry
    return {} if all(entry.is_packed for entry in chosen.values()) else chosen


def batches(entries: Iterable[Entry]) -> list[list[Entry]]:
    """`entries` in groups that fit in memory together; a large one is alone."""
    groups: list[list[Entry]] = []
    total = 0
    for entry in sorted(entries, key=lambda entry: entry.size):
        if not groups or total + entry.size > BATCH_BYTES or len(groups[-1]) >= BATCH_FILES:
            groups.append([])
            total = 0
        groups[-1].append(entry)
        total += entry.size
    return groups
