"""Who a project's commands run as: a user of its own, which no other project has.

Several workers may share a machine, so a user is taken by locking a file; the kernel gives the lock
back when the worker dies, however it dies.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tidegate.errors import TidegateError


class NoFreeIdentityError(TidegateError):
    """Every user of the pool is taken.

    Attributes:
        size: Users in the pool.
    """

    code = "no_free_identity"

    def __init__(self, size: int) -> None:
        super().__init__(
            f"expected a free user for the project, found all {size} taken; "
            "wait for a project to leave, or give the sandbox more uids"
        )
        self.size = size


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a project's commands are, and where they may write besides its workspace.

    Attributes:
        uid: Their user and group; None where the worker may not change user, and commands run
            as the worker itself.
        scratch: Their temporary files and caches.
    """

    uid: int | None
    scratch: Path


class Locked:
    """A file that this process alone holds until `close`, or until it dies."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def try_take(cls, file: Path) -> Self | None:
        """Hold `file`, made if missing; None if someone, this process included, has it."""
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def close(self) -> None:
        """Give it back. Safe to repeat."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class UidPool:
    """Users that commands may run as, each held by one project on this machine.

    Args:
        uids: Ids that nobody else on this machine uses.
        folder: Where the locks lie; the same for every worker of the machine.
    """

    def __init__(self, uids: Sequence[int], folder: Path) -> None:
        self._uids = uids
        self._folder = folder

    def take(self) -> tuple[int, Locked]:
        """A free user, and the lock that holds it.

        Raises:
            NoFreeIdentityError: All are taken.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for uid in self._uids:
            if held := Locked.try_take(self._folder / str(uid)):
                return uid, held
        raise NoFreeIdentityError(len(self._uids))
