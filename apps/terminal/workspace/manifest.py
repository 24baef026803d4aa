"""Commits of a project: numbered manifests, each the whole tree, each written once.

Commit n is the object `manifests/{n:012}`, stored only where there is none: of two who both saw
n - 1, one commits n, and the other merges and tries n + 1.
"""

import secrets
import zlib

from msgspec import Struct, msgpack

from apps.terminal.workspace.errors import StaleEpochError
from apps.terminal.workspace.merge import Conflict
from apps.terminal.workspace.tree import Tree
from tidegate.errors import ObjectError, ObjectMissingError
from tidegate.objects import Objects

VERSION = 1
MANIFESTS, BLOBS, PACKS = "manifests", "blobs", "packs"
TRIES = 5


class Manifest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One commit.

    Attributes:
        commit: Its number, from 1; 0 for a project that has none yet.
        nonce: Unlike any other, so that a writer recognises its own.
        epoch: Ownership it was committed under; never lower than the commit before.
        author: Who, for people.
        committed_at: Seconds since the epoch.
        tree: What the project holds.
        pack: Object that holds the packed files; None for none.
        conflicts: What both sides had changed when this was merged.
    """

    commit: int = 0
    version: int = VERSION
    nonce: str = ""
    epoch: int = 0
    author: str = ""
    committed_at: float = 0.0
    tree: Tree = Tree()
    pack: str | None = None
    conflicts: tuple[Conflict, ...] = ()

    def encoded(self) -> bytes:
        """The object that holds it."""
        # Level 1: hashes do not compress, paths do at any level.
        return zlib.compress(msgpack.encode(self), 1)

    @classmethod
    def decoded(cls, data: bytes) -> "Manifest":
        """The manifest that an object holds.

        Raises:
            ObjectError: It holds none, or one of a later version of Tidegate.
        """
        try:
            manifest = msgpack.decode(zlib.decompress(data), type=cls)
        except (zlib.error, ValueError) as error:
            raise ObjectError(f"expected a manifest, found something else: {error}") from error
        if manifest.version > VERSION:
            raise ObjectError(
                f"expected a manifest of version {VERSION}, found {manifest.version}; upgrade"
            )
        return manifest


class Commits:
    """The commits of one project, the newest kept in memory.

    Args:
        objects: Where the project is stored.
        project: Its id.
    """

    def __init__(self, objects: Objects, project: str) -> None:
        self._objects = objects
        self._folder = f"projects/{project}/{MANIFESTS}"
        self.known = Manifest()

    async def is_newest(self, commit: int) -> bool:
        """Whether nobody has committed after `commit`; one short request."""
        return await self._objects.head(self._key(commit + 1)) is None

    async def newest(self) -> Manifest:
        """The newest commit; one short request if it is the one already known."""
        if self.known.commit and await self.is_newest(self.known.commit):
            return self.known
        for _ in range(TRIES):
            numbers = await self.numbers()
            if not numbers:
                return self.known
            try:
                self.known = await self._read(max(numbers))
            except ObjectMissingError:
                continue  # collected between the two requests: there is a newer one
            return self.known
        raise ObjectError(f"manifests of {self._folder} vanish as they are read; try again")

    async def append(self, manifest: Manifest) -> bool:
        """Commit `manifest` after the one known; False if someone else committed that number.

        Raises:
            StaleEpochError: A newer ownership has committed already.
        """
        if manifest.epoch < self.known.epoch:
            raise StaleEpochError(manifest.epoch, self.known.epoch)
        key = self._key(manifest.commit)
        if not await self._objects.put_if_absent(key, manifest.encoded()):
            stored = await self._read(manifest.commit)
            if stored.nonce != manifest.nonce:
                return False
        self.known = manifest
        return True

    async def numbers(self) -> list[int]:
        """Numbers of all commits kept, in no order."""
        return [int(info.key.rpartition("/")[2]) async for info in self._objects.list(self._folder)]

    async def read_kept(self, number: int) -> Manifest | None:
        """A commit by number; None if it is not kept any more."""
        try:
            return await self._read(number)
        except ObjectMissingError:
            return None

    async def forget(self, numbers: list[int]) -> None:
        """Remove commits."""
        await self._objects.delete(*map(self._key, numbers))

    async def _read(self, number: int) -> Manifest:
        return Manifest.decoded(await self._objects.get(self._key(number)))

    def _key(self, number: int) -> str:
        return f"{self._folder}/{number:012}"


def new_nonce() -> str:
    """A mark for a commit that no other has."""
    return secrets.token_hex(8)
