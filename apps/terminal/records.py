"""Small JSON records in the object store, each changed by one writer at a time.

A store without locks, S3 or a folder, can say which of two writers was first to create an object.
So a record is a folder of numbered versions: the highest number is the record, and changing it is
creating the next number, tried again on what is there by then if somebody else was first.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from apps.terminal.errors import ConflictError
from tidegate import Objects
from tidegate.errors import ObjectMissingError

T = TypeVar("T")

ATTEMPTS: Final = 20
# A reader that has listed the versions is about to read the newest; two are left for it.
KEPT: Final = 2
READS_AT_ONCE: Final = 16


class Records:
    """Records under keys like `terminal/projects/1f2e`, safe to share between tasks.

    Every method raises `BackendUnavailableError` where the store does not answer.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def read(self, key: str, type_: type[T]) -> T | None:
        """The record; None where there is none."""
        found = await self._newest(key)
        return msgspec.json.decode(found[1], type=type_) if found else None

    async def exists(self, key: str) -> bool:
        """Whether there is such a record."""
        return bool([info.key async for info in self._objects.list(key)])

    async def read_all(self, folder: str, type_: type[T]) -> dict[str, T]:
        """The records below `folder` by name."""
        newest: dict[str, str] = {}
        async for info in self._objects.list(folder):
            name, _, version = info.key.removeprefix(f"{folder}/").partition("/")
            newest[name] = max(version, newest.get(name, ""))
        return await self.read_many({name: f"{folder}/{name}" for name in sorted(newest)}, type_)

    async def read_many(self, keys: dict[str, str], type_: type[T]) -> dict[str, T]:
        """The records with these keys, those that exist, under the names given; 16 at a time."""
        limit = asyncio.Semaphore(READS_AT_ONCE)

        async def one(key: str) -> T | None:
            async with limit:
                return await self.read(key, type_)

        found = await asyncio.gather(*(one(key) for key in keys.values()))
        return {name: value for name, value in zip(keys, found, strict=True) if value is not None}

    async def create(self, key: str, value: object) -> None:
        """A new record.

        Raises:
            ConflictError: There is one already.
        """
        if not await self._objects.put_if_absent(_version(key, 1), msgspec.json.encode(value)):
            raise ConflictError(f"expected no record {key!r}, found one")

    async def change(self, key: str, type_: type[T], change: Callable[[T | None], T]) -> T:
        """Replace the record with what `change` makes of it, None where there is none yet.

        `change` is called again whenever another writer was first, and may refuse by raising. It
        can meet its own result, where the answer to a write was lost, and must then be harmless.

        Raises:
            ConflictError: Others were first twenty times in a row.
        """
        for _ in range(ATTEMPTS):
            number, data = await self._newest(key) or (0, b"")
            value = change(msgspec.json.decode(data, type=type_) if number else None)
            encoded = msgspec.json.encode(value)
            if encoded == data:
                return value
            if await self._objects.put_if_absent(_version(key, number + 1), encoded):
                outdated = range(max(1, number + 1 - 2 * KEPT), number + 2 - KEPT)
                await self._objects.delete(*(_version(key, each) for each in outdated))
                return value
        raise ConflictError(f"too many changes to {key!r} at the same time; try again")

    async def delete(self, key: str) -> None:
        """Remove the record; a change made at this very moment may bring it back."""
        versions = [info.key async for info in self._objects.list(key)]
        if versions:
            await self._objects.delete(*versions)

    async def mark(self, key: str) -> None:
        """An object that says something by being there."""
        await self._objects.put(key, b"")

    async def unmark(self, key: str) -> None:
        """Take a mark away."""
        await self._objects.delete(key)

    async def marks(self, folder: str) -> list[str]:
        """The names of the marks in `folder`, sorted."""
        return sorted(
            [info.key.removeprefix(f"{folder}/") async for info in self._objects.list(folder)]
        )

    async def _newest(self, key: str) -> tuple[int, bytes] | None:
        """The newest version's number and content."""
        while True:
            newest = max([info.key async for info in self._objects.list(key)], default=None)
            if newest is None:
                return None
            try:
                return int(newest.rpartition("/")[2]), await self._objects.get(newest)
            except ObjectMissingError:
                continue  # two writers were faster than this read


def _version(key: str, number: int) -> str:
    return f"{key}/{number:010d}"
