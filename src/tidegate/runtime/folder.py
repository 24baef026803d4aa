"""The data folder of `tidegate up`: its locks, its keys, and what is running in it."""

import asyncio
import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from tidegate.errors import AlreadyRunningError, TidegateError, UsageError

_KEY_BYTES: Final = 32
_LEFTOVERS_TIMEOUT: Final = 20.0
_PAUSE: Final = 0.02


class Running(Struct, frozen=True, kw_only=True):
    """What the commands need to know of the `up` that holds a data folder.

    Attributes:
        pid: Its process.
        app: The app's name.
        target: What it was told to run.
        url: Where people reach it.
        valkey_url: Where its Valkey listens.
        objects_url: Where its objects are.
        desk: The socket at which its tasks are asked about.
        queues: Names of the app's queues.
        started_at: Seconds since the epoch.
    """

    pid: int
    app: str
    target: str
    url: str
    valkey_url: str
    objects_url: str
    desk: str
    queues: tuple[str, ...]
    started_at: float


class DataFolder:
    """One data folder, made private to its user where it is new.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.valkey = path / "valkey"
        self.logs = path / "logs"
        self.task_logs = self.logs / "tasks"
        self._state = path / "up.json"

    def make(self) -> None:
        """Make the folder and those in it; nothing happens to one that exists.

        Raises:
            UsageError: It cannot be written to.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.valkey, self.task_logs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"expected to keep data in {self.path}, found: {error.strerror}; "
                "choose another folder with --data"
            ) from error

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Be the one `up` of this folder; the right ends with the process, however it ends.

        Raises:
            AlreadyRunningError: Another holds it.
        """
        with (self.path / "up.pid").open("a+b") as file:
            if not _locked(file.fileno()):
                file.seek(0)
                raise AlreadyRunningError(str(self.path), int(file.read() or b"0"))
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
            yield

    async def children_lock(self) -> int:
        """An inheritable descriptor to give to every child, once none of an earlier `up` is left.

        A killed `up` leaves children that end within seconds; two servers must never write one
        append-only file.

        Raises:
            TidegateError: Some were still there after 20 s.
        """
        descriptor = os.open(self.path / "children.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            async with asyncio.timeout(_LEFTOVERS_TIMEOUT):
                while not _locked(descriptor):  # noqa: ASYNC110 - no event tells of a lock
                    await asyncio.sleep(_PAUSE)
        except TimeoutError as error:
            os.close(descriptor)
            raise TidegateError(
                f"expected the processes of an earlier `tidegate up` on {self.path} to have ended, "
                f"found some after {_LEFTOVERS_TIMEOUT:g} s; end them, or choose another --data"
            ) from error
        return descriptor

    def key(self, name: str) -> str:
        """A secret of this folder, made once; only its user can read the file."""
        path = self.path / name
        with suppress(FileExistsError):
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "w") as file:
                file.write(secrets.token_hex(_KEY_BYTES))
        return path.read_text().strip()

    def existing_key(self, name: str) -> str | None:
        """A secret of this folder; None where no `up` has made it."""
        try:
            return (self.path / name).read_text().strip()
        except FileNotFoundError:
            return None

    def admin_token(self) -> str:
        """The token that lets its bearer use the HTTP API."""
        return self.key("admin_token")

    def secret_key(self) -> str:
        """What tokens are signed with."""
        return self.key("secret_key")

    @contextmanager
    def told(self, running: Running) -> Iterator[None]:
        """Tell the commands what runs here, for as long as the context lasts."""
        temporary = self._state.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_bytes(msgspec.json.encode(running))
        temporary.replace(self._state)
        try:
            yield
        finally:
            self._state.unlink(missing_ok=True)

    def running(self) -> Running | None:
        """What runs here; None where nothing does, or its `up` was killed."""
        try:
            running = msgspec.json.decode(self._state.read_bytes(), type=Running)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        return running if self._is_owned() else None

    def _is_owned(self) -> bool:
        try:
            with (self.path / "up.pid").open("rb") as file:
                return not _locked(file.fileno())
        except FileNotFoundError:
            return False


def _locked(descriptor: int) -> bool:
    """Take an exclusive lock that lasts as long as the open file; False if another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
