"""`App`: what a team declares once, in Python. Read this first.

Nothing here connects to anything. Declarations are checked where they are written and end up in
one frozen `AppSpec`, which `tidegate up` runs on a laptop and `tidegate deploy` runs on AWS.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Final,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

import msgspec

from tidegate.channels.backend import ChannelSettings
from tidegate.errors import DeclarationError, TidegateError, UnknownHandlerError, UnknownQueueError
from tidegate.handler import Job, end_template
from tidegate.jobs.backend import QueueSettings
from tidegate.jobs.context import JobContext
from tidegate.jobs.job import JobPolicy, OnCrash
from tidegate.jobs.retry import Retry
from tidegate.serde import encoded
from tidegate.spec import (
    AppSpec,
    ContainerSpec,
    DaemonSpec,
    QueueDepth,
    QueueSpec,
    ScheduleSpec,
    ServiceSpec,
    Size,
    WorkerSpec,
)

if TYPE_CHECKING:
    from tidegate.client import Client

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", WorkerSpec, ServiceSpec, DaemonSpec, ContainerSpec)

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,62}(\.[a-z][a-z0-9-]{0,62})*")
_DEFAULT_PRIORITIES: Final = ("high", "normal", "low")
ReleaseHook = Callable[[str, int], Any]


class Queue:
    """A declared queue; jobs are declared on it.

    Attributes:
        app: The app it belongs to.
        name: Its name.
        settings: What the backend needs to know of it.
        priorities: Names of its priorities, the most urgent first.
        jobs: Its handlers by name.
        release_hook: See `before_release`.
    """

    def __init__(self, app: "App", settings: QueueSettings, priorities: Sequence[str]) -> None:
        self.app = app
        self.name = settings.name
        self.settings = settings
        self.priorities = tuple(priorities)
        self.jobs: dict[str, Job[Any, Any]] = {}
        self.release_hook: ReleaseHook | None = None

    @overload
    def job(self, function: Callable[Concatenate[JobContext, P], R], /) -> Job[P, R]: ...
    @overload
    def job(self, function: Callable[P, R], /) -> Job[P, R]: ...
    @overload
    def job(
        self,
        /,
        *,
        name: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        on_crash: OnCrash = "retry",
        crashes: int = 3,
        keep: float = 3600.0,
        keep_failed: float = 14 * 86400.0,
        isolate: bool = False,
        end: dict[str, object] | None = None,
    ) -> "JobDecorator": ...
    def job(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        on_crash: OnCrash = "retry",
        crashes: int = 3,
        keep: float = 3600.0,
        keep_failed: float = 14 * 86400.0,
        isolate: bool = False,
        end: dict[str, object] | None = None,
    ) -> Any:
        """Declare a handler.

        Args:
            function: The handler, where the decorator is used without arguments.
            name: What its jobs are known by, for ever; `app.function` by default.
            retry: When a failed attempt runs again.
            timeout: Seconds an attempt may run; None for no limit.
            on_crash: Whether a job whose worker died runs again, or is dead at once.
            crashes: How many workers a job may take down before it is quarantined.
            keep: Seconds that the record and result of an ended job are kept.
            keep_failed: Seconds that a dead or quarantined job is kept.
            isolate: Run the handler (a plain function) in a child process of its own.
            end: What the job's end event says beside job, state and reason; its `type` too.

        Raises:
            DeclarationError: The name is taken, or the handler cannot be called with a payload.
        """
        chosen = retry or Retry()

        def declare(handler: Callable[..., Any]) -> Job[Any, Any]:
            full_name = name or f"{self.app.name}.{handler.__name__}"
            policy = JobPolicy(
                attempts=chosen.attempts,
                crashes=_at_least(1, crashes=crashes),
                on_crash=on_crash,
                timeout=timeout,
                keep=keep,
                keep_failed=keep_failed,
                end=end_template(full_name, end),
            )
            job: Job[Any, Any] = Job(
                handler, self, name=full_name, retry=chosen, policy=policy, isolate=isolate
            )
            self.app._add_job(job)  # noqa: SLF001 - an app and its queues are one thing
            return job

        return declare if function is None else declare(function)

    def before_release(self, hook: ReleaseHook) -> ReleaseHook:
        """Call `hook(affinity, epoch)` before a worker gives up an affinity of this queue.

        The hook syncs what the worker holds for it; the next owner starts after it has returned.
        """
        self.release_hook = hook
        return hook

    def lane(self, priority: str | None) -> int:
        """The index of a priority; of the middle one for None.

        Raises:
            DeclarationError: The queue has no such priority.
        """
        if priority is None:
            return len(self.priorities) // 2
        if priority not in self.priorities:
            raise DeclarationError(
                f"queue {self.name!r} has priorities {', '.join(self.priorities)}; "
                f"found {priority!r}"
            )
        return self.priorities.index(priority)

    def find(self, name: str) -> Job[Any, Any]:
        """The handler of that name.

        Raises:
            UnknownHandlerError: There is none.
        """
        job = self.jobs.get(name)
        if job is None:
            raise UnknownHandlerError(name, self.name, sorted(self.jobs))
        return job


class JobDecorator(Protocol):
    """What `queue.job(...)` returns: a decorator that keeps the handler's parameters."""

    @overload
    def __call__(self, function: Callable[Concatenate[JobContext, P], R], /) -> Job[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Job[P, R]: ...


class App:
    """An application: its queues, workers, services, schedules, daemons, channels, containers.

    Args:
        name: Lower-case letters, digits and hyphens; part of every key and resource name.
    """

    def __init__(self, name: str) -> None:
        self.name = _checked_name("app", name)
        self.queues: dict[str, Queue] = {}
        self._workers: dict[str, WorkerSpec] = {}
        self._services: dict[str, ServiceSpec] = {}
        self._daemons: dict[str, DaemonSpec] = {}
        self._containers: dict[str, ContainerSpec] = {}
        self._schedules: dict[str, ScheduleSpec] = {}
        self._channels: dict[str, ChannelSettings] = {}
        self._client: Client | None = None

    def queue(
        self,
        name: str,
        *,
        priorities: Sequence[str] = _DEFAULT_PRIORITIES,
        lease: float = 30.0,
        ageing: float = 60.0,
        max_depth: int = 0,
        concurrency: int = 0,
        rate: float = 0.0,
        burst: int = 1,
        worker: bool = True,
        slots: int = 10,
        size: Size | None = None,
        scale: QueueDepth | None = None,
        idle_timeout: float = 60.0,
        drain: float = 20.0,
        stop_timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> Queue:
        """Declare a queue and, unless `worker=False`, a worker of the same name that serves it.

        Args:
            name: Its name.
            priorities: Names, the most urgent first; jobs get the middle one by default.
            lease: Seconds a claim lasts without renewal; what recovery from a crash takes.
            ageing: Seconds of waiting that lift a job by one priority; 0 never lifts.
            max_depth: Depth at which `enqueue` is refused; 0 for no bound.
            concurrency: Jobs that may run at once, anywhere; 0 for no bound.
            rate: Starts per second; 0 for no bound.
            burst: Starts that may come at once under `rate`.
            worker: Whether to declare the worker.
            slots: Jobs one task runs at once.
            size: What one task is given.
            scale: How many tasks there are to be.
            idle_timeout: Seconds without a job after which a task above the minimum leaves.
            drain: Seconds that running jobs have to finish after SIGTERM.
            stop_timeout: Seconds from SIGTERM to SIGKILL.
            env: Environment of its tasks.
            secrets: Names of secrets its tasks are given.

        Raises:
            DeclarationError: The name is taken or a value cannot be.
        """
        self._new("queue", name, self.queues)
        _at_least(1, priorities=len(priorities), burst=burst)
        _at_least(0, ageing=ageing, max_depth=max_depth, concurrency=concurrency, rate=rate)
        if lease < 1:
            raise DeclarationError(f"queue {name!r}: expected lease of at least 1 s, found {lease}")
        settings = QueueSettings(
            name=name,
            lanes=len(priorities),
            lease=lease,
            ageing=ageing,
            max_depth=max_depth,
            concurrency=concurrency,
            rate=rate,
            burst=burst,
        )
        queue = self.queues[name] = Queue(self, settings, priorities)
        if worker:
            self.worker(
                name,
                queues=[queue],
                slots=slots,
                size=size,
                scale=scale,
                idle_timeout=idle_timeout,
                drain=drain,
                stop_timeout=stop_timeout,
                env=env,
                secrets=secrets,
            )
        return queue

    def worker(
        self,
        name: str,
        *,
        queues: Sequence[Queue],
        slots: int = 10,
        size: Size | None = None,
        scale: QueueDepth | None = None,
        idle_timeout: float = 60.0,
        drain: float = 20.0,
        stop_timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> WorkerSpec:
        """Declare a kind of task that claims jobs from `queues`; see `queue` for the rest.

        Raises:
            DeclarationError: The name is taken, a queue is of another app, or a value cannot be.
        """
        self._new("worker", name, self._workers)
        _at_least(1, slots=slots)
        for queue in queues:
            if queue.app is not self:
                raise UnknownQueueError(queue.name, sorted(self.queues))
        if not drain < stop_timeout:
            raise DeclarationError(
                f"worker {name!r}: expected drain below stop_timeout ({stop_timeout:g} s), "
                f"found {drain:g} s; raise stop_timeout or lower drain"
            )
        spec = WorkerSpec(
            name=name,
            queues=tuple(queue.name for queue in queues),
            slots=slots,
            size=size or Size(),
            scale=scale or QueueDepth(),
            idle_timeout=idle_timeout,
            drain=drain,
            stop_timeout=_stop_timeout(name, stop_timeout),
            env=dict(env or {}),
            secrets=tuple(secrets),
        )
        self._workers[name] = spec
        return spec

    def service(
        self,
        name: str,
        asgi: str,
        *,
        paths: Sequence[str] = ("/",),
        size: Size | None = None,
        count: int = 1,
        health: str = "/healthz",
        stop_timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> ServiceSpec:
        """Declare an ASGI application: `module:attribute`, the application or a factory of it.

        Raises:
            DeclarationError: The name is taken, or `asgi` or a path is of another shape.
        """
        self._new("service", name, self._services)
        _checked_target("service", name, asgi)
        for path in paths:
            if not path.startswith("/"):
                raise DeclarationError(
                    f"service {name!r}: expected paths that begin with '/', found {path!r}"
                )
        spec = ServiceSpec(
            name=name,
            asgi=asgi,
            paths=tuple(paths),
            size=size or Size(),
            count=_at_least(1, count=count),
            health=health,
            stop_timeout=_stop_timeout(name, stop_timeout),
            env=dict(env or {}),
            secrets=tuple(secrets),
        )
        self._services[name] = spec
        return spec

    def daemon(
        self,
        name: str,
        target: str,
        *,
        size: Size | None = None,
        stop_timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> DaemonSpec:
        """Declare a coroutine function, `module:function`, kept running in a task of its own.

        It is called with the open client; it ends by being cancelled.

        Raises:
            DeclarationError: The name is taken, or `target` is of another shape.
        """
        self._new("daemon", name, self._daemons)
        spec = DaemonSpec(
            name=name,
            target=_checked_target("daemon", name, target),
            size=size or Size(),
            stop_timeout=_stop_timeout(name, stop_timeout),
            env=dict(env or {}),
            secrets=tuple(secrets),
        )
        self._daemons[name] = spec
        return spec

    def container(
        self,
        name: str,
        *,
        command: Sequence[str] = (),
        image: str | None = None,
        port: int | None = None,
        size: Size | None = None,
        stop_timeout: float = 30.0,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> ContainerSpec:
        """Declare a program that is not ours, run beside the app: NATS, a Node service.

        Raises:
            DeclarationError: The name is taken, or there is neither a command nor an image.
        """
        self._new("container", name, self._containers)
        if not command and not image:
            raise DeclarationError(
                f"container {name!r}: expected a command or an image, found none"
            )
        spec = ContainerSpec(
            name=name,
            command=tuple(command),
            image=image,
            port=port,
            size=size or Size(),
            stop_timeout=_stop_timeout(name, stop_timeout),
            env=dict(env or {}),
            secrets=tuple(secrets),
        )
        self._containers[name] = spec
        return spec

    def schedule(
        self,
        name: str,
        cron: str,
        job: Job[..., Any],
        *args: object,
        timezone: str = "UTC",
        misfire: Literal["skip", "once", "all"] = "once",
        misfire_limit: int = 10,
        overlap: Literal["allow", "skip", "queue"] = "skip",
        **kwargs: object,
    ) -> ScheduleSpec:
        """Declare that `job` is enqueued with this payload whenever `cron` says so.

        Args:
            name: Its name.
            cron: Five fields, or six with seconds first.
            job: The job.
            *args: Payload of the job, as for `job.enqueue`.
            timezone: IANA name. A time that daylight saving skips runs at the moment of the change,
                one that it repeats runs once.
            misfire: What happens to times that passed while no scheduler ran.
            misfire_limit: Jobs at most for `misfire="all"`.
            overlap: What happens while the previous job has not ended.
            **kwargs: Payload of the job by name.

        Raises:
            DeclarationError: The name is taken, or cron or time zone cannot be read.
            PayloadError: The payload is not of the job's type.
        """
        from tidegate.jobs.cron import Cron  # noqa: PLC0415 - only who schedules needs cronsim

        self._new("schedule", name, self._schedules)
        Cron(cron, timezone)
        spec = ScheduleSpec(
            name=name,
            cron=cron,
            queue=job.queue.name,
            job=job.name,
            timezone=timezone,
            payload=job.payload.pack(args, kwargs).decode(),
            misfire=misfire,
            misfire_limit=_at_least(1, misfire_limit=misfire_limit),
            overlap=overlap,
        )
        self._schedules[name] = spec
        return spec

    def channel(
        self,
        pattern: str,
        *,
        hot_bytes: int = 4 * 1024 * 1024,
        hot_events: int = 20_000,
        keep_bytes: int = 256 * 1024 * 1024,
        ttl: float = 24 * 3600.0,
        slow: Literal["resume", "conflate", "cut"] = "resume",
        replay: bool = True,
    ) -> ChannelSettings:
        """Declare the bounds of the channels that `pattern` names; see `ChannelSettings`."""
        self._taken("channel", pattern, self._channels)
        settings = ChannelSettings(
            pattern=pattern,
            hot_bytes=_at_least(4096, hot_bytes=hot_bytes),
            hot_events=_at_least(1, hot_events=hot_events),
            keep_bytes=keep_bytes,
            ttl=ttl,
            slow=slow,
            replay=replay,
        )
        self._channels[pattern] = settings
        return settings

    def include(self, other: "App", *, prefix: str) -> None:
        """Take over everything `other` declares; its queues become `prefix.queue`, and so on.

        The jobs of `other` keep their names and are enqueued through this app from now on.

        Raises:
            DeclarationError: A name is taken.
        """
        _checked_name("prefix", prefix)
        renamed = {queue.name: f"{prefix}.{queue.name}" for queue in other.queues.values()}
        for queue in list(other.queues.values()):
            self._adopt(queue, renamed[queue.name])
        for worker in other._workers.values():  # noqa: SLF001 - an app may look into another
            queues = tuple(renamed[name] for name in worker.queues)
            self._merge("worker", self._workers, worker, prefix, queues=queues)
        for service in other._services.values():  # noqa: SLF001
            self._merge("service", self._services, service, prefix)
        for daemon in other._daemons.values():  # noqa: SLF001
            self._merge("daemon", self._daemons, daemon, prefix)
        for container in other._containers.values():  # noqa: SLF001
            self._merge("container", self._containers, container, prefix)
        for schedule in other._schedules.values():  # noqa: SLF001
            name = f"{prefix}.{schedule.name}"
            self._new("schedule", name, self._schedules)
            self._schedules[name] = msgspec.structs.replace(
                schedule, name=name, queue=renamed[schedule.queue]
            )
        for channel in other._channels.values():  # noqa: SLF001
            self._taken("channel", channel.pattern, self._channels)
            self._channels[channel.pattern] = channel

    def _adopt(self, queue: Queue, name: str) -> None:
        self._new("queue", name, self.queues)
        queue.app = self
        queue.name = name
        queue.settings = msgspec.structs.replace(queue.settings, name=name)
        self.queues[name] = queue
        for job in queue.jobs.values():
            self._check_job_name(job.name, besides=queue)

    def _merge(
        self, kind: str, into: dict[str, S], spec: S, prefix: str, **changes: object
    ) -> None:
        name = f"{prefix}.{spec.name}"
        self._new(kind, name, into)
        into[name] = msgspec.structs.replace(spec, name=name, **changes)

    def _add_job(self, job: Job[Any, Any]) -> None:
        self._check_job_name(job.name)
        job.queue.jobs[job.name] = job

    def _check_job_name(self, name: str, besides: Queue | None = None) -> None:
        for queue in self.queues.values():
            if queue is not besides and name in queue.jobs:
                raise DeclarationError(
                    f"job {name!r} is declared already, on queue {queue.name!r}; "
                    "give this one another name="
                )

    def _new(self, kind: str, name: str, existing: Mapping[str, object]) -> None:
        _checked_name(kind, name)
        self._taken(kind, name, existing)

    def _taken(self, kind: str, name: str, existing: Mapping[str, object]) -> None:
        if name in existing:
            raise DeclarationError(f"{kind} {name!r} is declared already; choose another name")

    def find_queue(self, name: str) -> Queue:
        """The queue of that name.

        Raises:
            UnknownQueueError: There is none.
        """
        queue = self.queues.get(name)
        if queue is None:
            raise UnknownQueueError(name, sorted(self.queues))
        return queue

    def find_job(self, name: str) -> Job[Any, Any]:
        """The handler of that name, on whichever queue it is.

        Raises:
            UnknownHandlerError: There is none.
        """
        for queue in self.queues.values():
            if name in queue.jobs:
                return queue.jobs[name]
        known = sorted(job for queue in self.queues.values() for job in queue.jobs)
        raise UnknownHandlerError(name, "*", known)

    @property
    def spec(self) -> AppSpec:
        """The frozen description of what has been declared so far."""
        return AppSpec(
            name=self.name,
            queues=tuple(
                QueueSpec(
                    name=queue.name,
                    settings=queue.settings,
                    priorities=queue.priorities,
                    jobs=tuple(job.spec() for job in queue.jobs.values()),
                )
                for queue in self.queues.values()
            ),
            workers=tuple(self._workers.values()),
            services=tuple(self._services.values()),
            daemons=tuple(self._daemons.values()),
            containers=tuple(self._containers.values()),
            schedules=tuple(self._schedules.values()),
            channels=tuple(self._channels.values()),
        )

    @property
    def client(self) -> "Client":
        """The open connection of this process.

        There is one in a service, a worker, a daemon, and inside `async with Client.open(app)`.

        Raises:
            TidegateError: None is open.
        """
        if self._client is None:
            raise TidegateError(
                f"app {self.name!r} is not connected here; "
                "open one with `async with Client.open(app):`"
            )
        return self._client

    def attach(self, client: "Client | None") -> "Client | None":
        """Make `client` the one that `job.enqueue` uses, None for none; the one it was before."""
        before, self._client = self._client, client
        return before

    def describe(self) -> bytes:
        """The spec as JSON, as `tidegate check --json` prints it."""
        return msgspec.json.format(encoded(self.spec), indent=2)


def _checked_name(kind: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise DeclarationError(
            f"expected a {kind} name of lower-case letters, digits and hyphens that begins with a "
            f"letter, found {name!r}"
        )
    return name


def _checked_target(kind: str, name: str, target: str) -> str:
    module, colon, attribute = target.partition(":")
    if not (colon and module and attribute.isidentifier()):
        raise DeclarationError(f"{kind} {name!r}: expected 'module:attribute', found {target!r}")
    return target


def _stop_timeout(name: str, seconds: float) -> float:
    # ECS stops a container with SIGKILL after 2 to 120 seconds on Fargate.
    if not 2 <= seconds <= 120:  # noqa: PLR2004 - the two figures are AWS's own
        raise DeclarationError(
            f"{name!r}: expected stop_timeout between 2 and 120 s, found {seconds:g} s"
        )
    return seconds


N = TypeVar("N", int, float)


def _at_least(least: N, **values: N) -> N:
    for name, value in values.items():
        if value < least:
            raise DeclarationError(f"expected {name} of at least {least}, found {value}")
    return next(iter(values.values()))
