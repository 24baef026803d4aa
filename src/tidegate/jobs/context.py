"""What a handler is given: `JobContext`, and the exceptions it may answer with."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from tidegate.channels.backend import Published
from tidegate.jobs.job import Claim

if TYPE_CHECKING:
    from tidegate.client import Client

T = TypeVar("T")


class Interrupted(Exception):  # noqa: N818 - what a handler says, not a fault
    """Raised by a handler that stops half-way, usually because it drains.

    The job is ready again at the head of its queue; no attempt is used up.
    """


class Snooze(Exception):  # noqa: N818 - what a handler says, not a fault
    """Raised by a handler that wants to run again later; no attempt is used up.

    Attributes:
        delay: Seconds.
    """

    def __init__(self, delay: float) -> None:
        super().__init__(f"snoozed for {delay:g} s")
        self.delay = delay


class Fatal(Exception):  # noqa: N818 - what a handler says, not a fault
    """Raised by a handler for which another attempt makes no sense: the job is dead at once."""


class JobContext(Protocol):
    """One attempt, as its handler sees it.

    Every write is fenced: once the lease has passed to another attempt it raises
    `StaleAttemptError`, and the handler's task is cancelled.

    Attributes:
        claim: The job's identity, counters and policy.
        client: The connection to the app: enqueue, subscribe, objects.
        channel: Where `publish` writes.
        worker: The id of the worker that runs it.
        idempotency_key: The same for every attempt of the job; hand it to others' APIs.
    """

    claim: Claim
    client: "Client"
    channel: str
    worker: str

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of the job; hand it to others' APIs."""
        ...

    @property
    def is_draining(self) -> bool:
        """Whether the worker has been told to stop; see `drained_by`."""
        ...

    @property
    def drained_by(self) -> float | None:
        """Seconds left before this attempt is handed back; None while not draining."""
        ...

    @property
    def cancel_reason(self) -> str | None:
        """Why the job is asked to stop; None while it is not."""
        ...

    async def draining(self) -> None:
        """Return once the worker has been told to stop."""
        ...

    async def publish(
        self, event: object, *, key: str | None = None, window: float = 300.0
    ) -> Published | None:
        """Append an event to the job's channel.

        Without a key it is buffered for at most 4 ms or 16 KiB, and None is returned; it waits
        while the buffer is full. With one it is written at once, and only once.
        """
        ...

    async def flush(self) -> None:
        """Return once everything published so far is stored."""
        ...

    async def progress(self, done: float, *, of: float | None = None, note: str = "") -> None:
        """Say how far the job is; the latest is kept, and a channel event tells subscribers."""
        ...

    async def checkpoint(self, value: object) -> None:
        """Keep what the next attempt is to start from."""
        ...

    def checkpointed(self, type_: type[T]) -> T | None:
        """What an earlier attempt kept, as `type_`; None if nothing."""
        ...

    async def once(self, step: str, effect: Callable[[], Awaitable[T]], type_: type[T]) -> T:
        """The outcome of `effect`, run at most once to the end over all attempts of the job.

        An attempt that dies inside `effect` leaves no outcome, and the next runs it again.
        """
        ...

    def attempt_token(self, ttl: float = 3600.0) -> str:
        """A token with which an outside program reports for this attempt over HTTP."""
        ...

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of one of the coroutines above, for a handler that is a plain function.

        Such a handler runs in a thread, which cannot await: `job.wait(job.progress(1, of=3))`. A
        thread cannot be cancelled either: it is to look at `cancel_reason` between two steps.
        """
        ...

    async def detach(self) -> None:
        """Leave the outcome to an outside program that holds this attempt's token.

        Returns when it has reported; the handler then returns, and nothing more is settled.
        """
        ...
