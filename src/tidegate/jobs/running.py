"""`RunningJob`: what a handler is given while an attempt runs. See `context.JobContext`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from tidegate.channels.backend import Published, Writer
from tidegate.channels.event import job_channel
from tidegate.channels.writer import ChannelWriter
from tidegate.clock import SYSTEM, Clock
from tidegate.errors import BackendUnavailableError, PayloadError, StaleAttemptError
from tidegate.jobs.attempt import Stop
from tidegate.jobs.attempt_token import AttemptToken, sign
from tidegate.jobs.drain import Drain
from tidegate.jobs.lease import Held
from tidegate.serde import encoded

if TYPE_CHECKING:
    from tidegate.client import Client

T = TypeVar("T")

PROGRESS_PAUSE: Final = 0.05
_REPORT_FIRST: Final = 0.05
_REPORT_LAST: Final = 1.0
_RETRY: Final = 0.2


class RunningJob:
    """One attempt, as its handler sees it; closed by the worker before the outcome is settled."""

    def __init__(
        self,
        held: Held,
        client: "Client",
        *,
        worker: str,
        drain: Drain,
        clock: Clock = SYSTEM,
    ) -> None:
        self.claim = held.claim
        self.client = client
        self.worker = worker
        self.channel = held.claim.channel or job_channel(held.claim.id)
        self._held = held
        self._drain = drain
        self._clock = clock
        self._writer: ChannelWriter | None = None
        self._progress = Progress(self.save_progress)
        self._loop = asyncio.get_running_loop()

    @property
    def idempotency_key(self) -> str:
        """As `JobContext.idempotency_key`."""
        return self.claim.id

    @property
    def is_draining(self) -> bool:
        """As `JobContext.is_draining`."""
        return self._drain.is_on

    @property
    def drained_by(self) -> float | None:
        """As `JobContext.drained_by`."""
        return self._drain.seconds_left

    @property
    def cancel_reason(self) -> str | None:
        """As `JobContext.cancel_reason`."""
        held = self._held
        return None if held.stop is None else held.reason or held.stop.value

    async def draining(self) -> None:
        """As `JobContext.draining`."""
        await self._drain.begun.wait()

    async def publish(
        self, event: object, *, key: str | None = None, window: float = 300.0
    ) -> Published | None:
        """As `JobContext.publish`."""
        self.check()
        data = encoded(event)
        if key is None:
            await self._written().write(data)
            return None
        await self.flush()  # what was published before comes before
        append, writer = self.client.channels.backend.append, self._fenced()
        return await self._stored(
            lambda: append(self.channel, [data], writer=writer, key=key, window=window)
        )

    async def flush(self) -> None:
        """As `JobContext.flush`."""
        if self._writer is not None:
            await self._writer.flush()

    async def progress(self, done: float, *, of: float | None = None, note: str = "") -> None:
        """As `JobContext.progress`."""
        self.check()
        await self._progress.report({"done": done, "of": of, "note": note})

    async def checkpoint(self, value: object) -> None:
        """As `JobContext.checkpoint`."""
        claim, kept = self.claim, encoded(value)
        checkpoint = self.client.queue_backend.checkpoint
        self.accept(await self._stored(lambda: checkpoint(claim.id, claim.fence, kept)))

    def checkpointed(self, type_: type[T]) -> T | None:
        """As `JobContext.checkpointed`."""
        kept = self.claim.checkpoint
        return None if kept is None else _decoded(kept, type_, "checkpoint")

    async def once(self, step: str, effect: Callable[[], Awaitable[T]], type_: type[T]) -> T:
        """As `JobContext.once`."""
        claim, backend = self.claim, self.client.queue_backend
        known = await self._stored(lambda: backend.recall(claim.id, step))
        if known is None:
            outcome = encoded(await effect())
            known = await self._stored(
                lambda: backend.remember(claim.id, claim.fence, step, outcome)
            )
            self.accept(known is not None)
        return _decoded(known or b"null", type_, f"step {step!r}")

    async def save_progress(self, value: dict[str, object]) -> None:
        """Store and publish how far the job is; called no more often than `Progress` allows."""
        claim, kept = self.claim, encoded(value)
        progress = self.client.queue_backend.progress
        self.accept(await self._stored(lambda: progress(claim.id, claim.fence, kept)))
        await self.publish({"type": "progress", **value})

    def attempt_token(self, ttl: float = 3600.0) -> str:
        """As `JobContext.attempt_token`."""
        token = AttemptToken(
            self.claim.id, self.claim.fence, self.claim.queue, int(self._clock.now() + ttl)
        )
        return sign(token, self.client.settings.secret_key)

    async def detach(self) -> None:
        """As `JobContext.detach`."""
        await self.flush()
        self._held.is_detached = True
        pause = _REPORT_FIRST
        # The report changes the record in one call of somebody else's; asking for the fence is
        # how this worker learns of it, and a renewal that finds it gone says so even earlier.
        holds = self.client.queue_backend.holds
        while await self._stored(lambda: holds(self.claim.id, self.claim.fence)):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _REPORT_LAST)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """As `JobContext.wait`."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def close(self) -> None:
        """Store what is still buffered, so that the end event comes after it.

        Raises:
            StaleAttemptError: The lease has passed; the rest is dropped.
        """
        await self._progress.close()
        if self._writer is not None:
            await self._writer.close()

    def check(self) -> None:
        """Raise StaleAttemptError where this attempt may write no more."""
        held = self._held
        if held.stop is Stop.LOST or held.is_settled or held.has_passed(self._clock.monotonic()):
            raise StaleAttemptError(self.claim.id, self.claim.fence)

    def accept(self, is_accepted: bool) -> None:  # noqa: FBT001 - a backend's answer, passed on
        """Raise StaleAttemptError where the backend refused a write."""
        if not is_accepted:
            self._held.ask(Stop.LOST, "a write of this attempt was refused")
            raise StaleAttemptError(self.claim.id, self.claim.fence)

    async def _stored(self, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to a call that is safe to repeat, for as long as the lease stands."""
        while True:
            self.check()
            try:
                return await call()
            except BackendUnavailableError:
                await asyncio.sleep(_RETRY)

    def _fenced(self) -> Writer:
        return Writer(self.claim.id, self.claim.fence)

    def _written(self) -> ChannelWriter:
        if self._writer is None:
            self._writer = self.client.channels.writer(self.channel, writer=self._fenced())
        return self._writer


class Progress:
    """Where an attempt is: the first report goes out at once, later ones 50 ms apart.

    Between two only the latest is kept, and the last is always sent.
    """

    def __init__(self, save: Callable[[dict[str, object]], Awaitable[None]]) -> None:
        self._save = save
        self._latest: dict[str, object] | None = None
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    async def report(self, value: dict[str, object]) -> None:
        """Keep `value`, and send it now or a little later."""
        self._latest = value
        pause = self._next - asyncio.get_running_loop().time()
        if self._task is not None:
            return
        if pause <= 0:
            await self._send()
        else:
            self._task = asyncio.create_task(self._later(pause), name="progress")

    async def close(self) -> None:
        """Send what has not been sent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        await self._send()

    async def _later(self, pause: float) -> None:
        await asyncio.sleep(pause)
        self._task = None
        # A lease that is lost stops the handler; that is all this could say.
        with suppress(StaleAttemptError):
            await self._send()

    async def _send(self) -> None:
        latest, self._latest = self._latest, None
        if latest is not None:
            self._next = asyncio.get_running_loop().time() + PROGRESS_PAUSE
            await self._save(latest)


def _decoded(kept: bytes, type_: type[T], what: str) -> T:
    try:
        return msgspec.json.decode(kept, type=type_)
    except msgspec.MsgspecError as error:
        raise PayloadError(
            f"{what}: expected {type_.__name__}, found something else: {error}"
        ) from error
