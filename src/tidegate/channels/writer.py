"""How one producer writes to a channel: in order, gathered into batches, each stored once."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from tidegate.channels.backend import ChannelBackend, Published, Writer, checked_events
from tidegate.clock import SYSTEM
from tidegate.errors import BackendUnavailableError
from tidegate.ids import new_id

_PAUSE: Final = 0.004
_BATCH_BYTES: Final = 16 * 1024
_BATCH_EVENTS: Final = 500
_BUFFER_BYTES: Final = 256 * 1024
_BUFFER_EVENTS: Final = 3000
_FIRST_DELAY: Final = 0.02
_LONGEST_DELAY: Final = 1.0
# Longer than any wait between a call and its repetition; only the newest key of a writer is kept.
_WINDOW: Final = 3600.0


class ChannelWriter:
    """Writes events to one channel, fenced by `writer` where an attempt does it.

    The first event after a pause leaves at once; those that follow leave 4 ms later, or when they
    are 500 or fill 16 KiB, in one call. Events keep their order. A call whose answer was lost is
    repeated under its key for up to `patience` seconds, so that each event is stored once.

    At most 256 KiB or 3,000 events wait to be stored; a `write` beyond that waits for room, which
    is how a producer is held back while the log cannot grow.

    Used as an async context manager, or closed. After an error nothing more is stored: `write`,
    `flush` and `close` raise it.
    """

    def __init__(
        self,
        backend: ChannelBackend,
        channel: str,
        *,
        writer: Writer | None = None,
        patience: float = 30.0,
    ) -> None:
        self.channel = channel
        self.last: Published | None = None  # where the newest stored event is
        self._backend = backend
        self._writer = writer
        self._patience = patience
        self._id = new_id()
        self._calls = 0
        self._settled: str | None = None
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._written = self._stored = 0
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._progress = asyncio.Event()
        self._failure: Exception | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if kind is None:
            await self.close()
            return
        with suppress(Exception):  # what ended the block says more than what this could raise
            await self.close()

    async def write(self, data: bytes) -> None:
        """Hand over one event, JSON bytes; returns when it waits, not when it is stored.

        Cancelling it while it waits for room writes nothing.

        Raises:
            ChannelError: `data` is larger than 1 MiB.
            StaleAttemptError: The attempt's lease has passed; nothing more is accepted.
            BackendUnavailableError: Valkey stayed away longer than `patience`.
        """
        checked_events((data,))
        await self._room(len(data))
        self._waiting.append(data)
        self._bytes += len(data)
        self._written += 1
        if self._bytes >= _BATCH_BYTES or len(self._waiting) >= _BATCH_EVENTS:
            self._hurry.set()
        if self._task is None:
            self._task = asyncio.create_task(self._drain(), name=f"write-{self.channel}")

    async def flush(self) -> Published | None:
        """Wait until all that was written is stored; where its last event is. Raises as `write`."""
        wanted = self._written
        while self._stored < wanted:
            self._raise_failure()
            self._hurry.set()
            await self._progress.wait()
        self._raise_failure()
        return self.last

    async def close(self) -> None:
        """Flush and stop; closing again does nothing. Cancelled, it stops without flushing."""
        try:
            await self.flush()
        finally:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    async def _room(self, size: int) -> None:
        self._raise_failure()
        while self._stored < self._written and (
            self._bytes + size > _BUFFER_BYTES or self._written - self._stored >= _BUFFER_EVENTS
        ):
            await self._progress.wait()
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH_EVENTS], self._waiting[_BATCH_EVENTS:]
                await self._store(batch)
                await self._pause()
        except Exception as failure:  # noqa: BLE001 - every kind is the caller's to see
            self._failure = failure
        finally:
            self._task = None
            self._tell()

    async def _pause(self) -> None:
        if self._bytes < _BATCH_BYTES and len(self._waiting) < _BATCH_EVENTS:
            with suppress(TimeoutError):
                async with asyncio.timeout(_PAUSE):
                    await self._hurry.wait()
        self._hurry.clear()

    async def _store(self, batch: list[bytes]) -> None:
        self._calls += 1
        key = f"{self._id}:{self._calls}"
        self.last = await self._appended(batch, key)
        self._settled = key
        self._stored += len(batch)
        self._bytes -= sum(map(len, batch))
        self._tell()

    async def _appended(self, batch: list[bytes], key: str) -> Published:
        delay = _FIRST_DELAY
        give_up = SYSTEM.monotonic() + self._patience
        while True:
            try:
                return await self._backend.append(
                    self.channel,
                    batch,
                    writer=self._writer,
                    key=key,
                    window=_WINDOW,
                    forget=self._settled,
                )
            except BackendUnavailableError:
                if SYSTEM.monotonic() > give_up:
                    raise
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY)

    def _tell(self) -> None:
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()
