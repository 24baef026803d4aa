"""A handler: the function that runs one kind of job, and the way to enqueue it."""

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, ParamSpec, TypeVar

import msgspec
from msgspec import Struct

from tidegate.errors import DeclarationError
from tidegate.jobs.context import JobContext
from tidegate.jobs.job import JobPolicy, NewJob
from tidegate.jobs.retry import Retry
from tidegate.serde import payload_type
from tidegate.spec import JobSpec, RetrySpec

if TYPE_CHECKING:
    from tidegate.app import Queue
    from tidegate.client import Client
    from tidegate.jobs.handle import JobHandle

P = ParamSpec("P")
R = TypeVar("R")

RunsIn = Literal["async", "thread", "process"]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one job may be given beside its payload.

    Attributes:
        id: Its id; None for a new one. Enqueuing an id again does nothing.
        priority: One of its queue's priorities; None for the middle one.
        key: Jobs of one key run one at a time, in order.
        affinity: Jobs of one affinity go to the worker that already holds it.
        dedupe: While a job with this id is within its window, it is returned instead.
        dedupe_window: Seconds; None for as long as that job has not ended.
        delay: Seconds from now until it may start.
        start_within: Seconds from now after which it is not worth starting.
        channel: A channel it shares with others; None for one of its own.
    """

    id: str | None = None
    priority: str | None = None
    key: str | None = None
    affinity: str | None = None
    dedupe: str | None = None
    dedupe_window: float | None = None
    delay: float = 0.0
    start_within: float | None = None
    channel: str | None = None


class Job(Generic[P, R]):
    """A declared kind of job. Calling it runs the plain function, which is what tests do.

    Attributes:
        name: What its jobs are known by, for ever.
        queue: The queue it is declared on.
        function: The handler itself.
        call: The handler, taking all its arguments by position.
        takes_context: Whether the handler's first parameter is the `JobContext`.
        payload: The type of the rest.
        runs_in: The event loop, a thread, or a child process.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        queue: "Queue",
        *,
        name: str,
        retry: Retry,
        policy: JobPolicy,
        isolate: bool,
    ) -> None:
        self.function = function
        self.call = _by_position(function)
        self.queue = queue
        self.name = name
        self.retry = retry
        self.policy = policy
        self.runs_in: RunsIn = _runs_in(name, function, isolate=isolate)
        self.takes_context, self.payload = payload_type(name, function, JobContext)
        if self.takes_context and self.runs_in == "process":
            raise DeclarationError(
                f"job {name!r}: an isolated handler runs in another process and takes no JobContext"
            )
        self.__doc__ = function.__doc__
        self.__name__ = getattr(function, "__name__", name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the handler here and now, as a plain function."""
        return self.function(*args, **kwargs)

    def using(self, **options: Any) -> "Prepared[P]":
        """This job with options (see `Options`): `await send.using(key="a").enqueue(1)`.

        Raises:
            DeclarationError: An option is unknown or of another type.
        """
        try:
            return Prepared(self, msgspec.convert(options, Options, strict=True))
        except msgspec.ValidationError as error:
            raise DeclarationError(f"job {self.name!r}: {error}") from error

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> "JobHandle":
        """Enqueue a job with this payload through the app's open client.

        Raises:
            PayloadError: The payload is not of the handler's type.
            QueueFullError: The queue is at its maximum depth.
        """
        return await Prepared[P](self, Options()).enqueue(*args, **kwargs)

    def new(self, options: Options, payload: bytes, new_id: str) -> NewJob:
        """The job to hand to a backend, for a payload checked already.

        Raises:
            PayloadError: The queue has no such priority.
        """
        return NewJob(
            id=options.id or new_id,
            queue=self.queue.name,
            name=self.name,
            payload=payload,
            policy=self.policy,
            lane=self.queue.lane(options.priority),
            key=options.key,
            affinity=options.affinity,
            dedupe=options.dedupe,
            dedupe_window=options.dedupe_window,
            due_in=options.delay,
            start_within=options.start_within,
            channel=options.channel,
        )

    def spec(self) -> JobSpec:
        """Its frozen description."""
        retry = self.retry
        return JobSpec(
            name=self.name,
            run=self.runs_in,
            policy=self.policy,
            retry=RetrySpec(
                attempts=retry.attempts, base=retry.base, cap=retry.cap, jitter=retry.jitter
            ),
            payload=self.payload.schema(),
        )


class Prepared(Generic[P]):
    """A job with options, waiting for its payload."""

    def __init__(self, job: Job[P, Any], options: Options) -> None:
        self.job = job
        self.options = options

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> "JobHandle":
        """Enqueue it through the app's open client; see `Job.enqueue`."""
        client: Client = self.job.queue.app.client
        payload = self.job.payload.pack(args, kwargs)
        return await client.enqueue_packed(self.job, payload, self.options)


def end_template(name: str, end: dict[str, object] | None) -> str:
    """The JSON laid under a job's end event.

    Raises:
        DeclarationError: It has no `type`, or JSON cannot hold it.
    """
    template = {"type": "end"} if end is None else end
    if not isinstance(template.get("type"), str):
        raise DeclarationError(f"job {name!r}: expected end to have a 'type', found {template!r}")
    try:
        return msgspec.json.encode(template).decode()
    except (TypeError, msgspec.MsgspecError) as error:
        raise DeclarationError(f"job {name!r}: end: {error}") from error


def _runs_in(name: str, function: Callable[..., object], *, isolate: bool) -> RunsIn:
    is_async = inspect.iscoroutinefunction(function)
    if not isolate:
        return "async" if is_async else "thread"
    if is_async or "<locals>" in function.__qualname__:
        raise DeclarationError(
            f"job {name!r}: isolate=True expects a plain function at the top of a module, "
            f"found {'a coroutine function' if is_async else 'a nested function'}"
        )
    return "process"


def _by_position(function: Callable[..., Any]) -> Callable[..., Any]:
    parameters = inspect.signature(function).parameters.values()
    named = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    if not named:
        return function

    def call(*args: object) -> Any:
        first = len(args) - len(named)
        return function(*args[:first], **dict(zip(named, args[first:], strict=True)))

    return call
