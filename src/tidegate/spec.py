"""The frozen description of what an app declares: data, without Valkey, AWS or handlers.

`App` builds it, `tidegate check APP --json` prints it, the laptop and AWS both run from it.
"""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct, field

from tidegate.channels.backend import ChannelSettings
from tidegate.errors import DeclarationError
from tidegate.jobs.backend import QueueSettings
from tidegate.jobs.job import JobPolicy

# vCPU units to the memory sizes (MiB) that ECS Fargate offers with them:
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
FARGATE_SIZES: Final[dict[int, Sequence[int]]] = {
    256: (512, 1024, 2048),
    512: range(1024, 4096 + 1, 1024),
    1024: range(2048, 8192 + 1, 1024),
    2048: range(4096, 16384 + 1, 1024),
    4096: range(8192, 30720 + 1, 1024),
    8192: range(16384, 61440 + 1, 4096),
    16384: range(32768, 122880 + 1, 8192),
}


class Size(Struct, frozen=True):
    """What one task is given.

    Attributes:
        cpu: vCPU units, 1024 to one vCPU.
        memory: MiB.
    """

    cpu: int = 256
    memory: int = 512

    def __post_init__(self) -> None:
        sizes = FARGATE_SIZES.get(self.cpu)
        if sizes is None:
            raise DeclarationError(
                f"expected cpu to be one of {', '.join(map(str, FARGATE_SIZES))}, found {self.cpu}"
            )
        if self.memory not in sizes:
            raise DeclarationError(
                f"expected memory for {self.cpu} cpu units to be one of "
                f"{_listed(sizes)} MiB, found {self.memory}"
            )


class QueueDepth(Struct, frozen=True, kw_only=True):
    """Tasks in proportion to the queue: `ceil(depth / messages_per_task)` within bounds.

    Attributes:
        messages_per_task: Jobs, ready or running, that one task is expected to take care of.
        min: Tasks kept although there is nothing to do.
        max: Tasks never exceeded.
    """

    messages_per_task: int = 5
    min: int = 0
    max: int = 10

    def __post_init__(self) -> None:
        if self.messages_per_task < 1:
            raise DeclarationError(
                f"expected messages_per_task of at least 1, found {self.messages_per_task}"
            )
        if not 0 <= self.min <= self.max or self.max < 1:
            raise DeclarationError(
                f"expected 0 <= min <= max and max >= 1, found min={self.min}, max={self.max}"
            )


class RetrySpec(Struct, frozen=True, kw_only=True):
    """When a failed attempt runs again; see `tidegate.jobs.retry.Retry`."""

    attempts: int
    base: float
    cap: float
    jitter: Literal["full", "additive", "none"]


class JobSpec(Struct, frozen=True, kw_only=True):
    """One handler: a kind of job on a queue.

    Attributes:
        name: `app.function` or what `name=` says; kept for ever.
        run: Where the handler runs: on the event loop, in a thread, or in a child process.
        payload: JSON schema of its payload.
    """

    name: str
    run: Literal["async", "thread", "process"]
    policy: JobPolicy
    retry: RetrySpec
    payload: dict[str, object] = field(default_factory=dict)


class QueueSpec(Struct, frozen=True, kw_only=True):
    """A queue, its settings and the jobs that may be on it."""

    name: str
    settings: QueueSettings
    priorities: tuple[str, ...]
    jobs: tuple[JobSpec, ...] = ()


class WorkerSpec(Struct, frozen=True, kw_only=True):
    """A kind of task that claims jobs.

    Attributes:
        queues: Queues it claims from, by name.
        slots: Jobs one task runs at once.
        idle_timeout: Seconds without a job after which a task above the policy's `min` leaves.
        drain: Seconds that running jobs have to finish after SIGTERM, before they are handed back.
        stop_timeout: Seconds from SIGTERM to SIGKILL; 2 to 120, as ECS has it.
        env: Environment of the task, beyond what Tidegate sets.
        secrets: Names of variables it is given from the secrets of the environment.
    """

    name: str
    queues: tuple[str, ...]
    slots: int = 10
    size: Size = Size()
    scale: QueueDepth = QueueDepth()
    idle_timeout: float = 60.0
    drain: float = 20.0
    stop_timeout: float = 30.0
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


class ServiceSpec(Struct, frozen=True, kw_only=True):
    """An ASGI application kept running behind the front door.

    Attributes:
        asgi: `module:attribute` of the application, or of a factory that makes one.
        paths: Path prefixes routed to it; the longest match wins.
    """

    name: str
    asgi: str
    paths: tuple[str, ...] = ("/",)
    size: Size = Size()
    count: int = 1
    health: str = "/healthz"
    stop_timeout: float = 30.0
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


class DaemonSpec(Struct, frozen=True, kw_only=True):
    """A coroutine kept running in a task of its own: `module:function`."""

    name: str
    target: str
    size: Size = Size()
    stop_timeout: float = 30.0
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


class ContainerSpec(Struct, frozen=True, kw_only=True):
    """A program that is not ours, run beside the app: NATS, a Node service.

    Attributes:
        command: What to run; on AWS the image's own command where it is empty.
        port: The port it listens on, in its environment as `PORT`; None for none.
    """

    name: str
    command: tuple[str, ...]
    image: str | None = None
    port: int | None = None
    size: Size = Size()
    stop_timeout: float = 30.0
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


class ScheduleSpec(Struct, frozen=True, kw_only=True):
    """A job enqueued by the clock.

    Attributes:
        cron: Five fields, or six with seconds first.
        timezone: IANA name.
        misfire: What happens to times that passed while no scheduler ran: none of them, one job
            for all of them, or one each up to `misfire_limit`.
        overlap: What happens while the previous job has not ended: another beside it, none, or
            one behind it.
    """

    name: str
    cron: str
    queue: str
    job: str
    timezone: str = "UTC"
    payload: str = "null"
    misfire: Literal["skip", "once", "all"] = "once"
    misfire_limit: int = 10
    overlap: Literal["allow", "skip", "queue"] = "skip"


class AppSpec(Struct, frozen=True, kw_only=True):
    """Everything an app declares."""

    name: str
    version: int = 1
    queues: tuple[QueueSpec, ...] = ()
    workers: tuple[WorkerSpec, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    daemons: tuple[DaemonSpec, ...] = ()
    containers: tuple[ContainerSpec, ...] = ()
    schedules: tuple[ScheduleSpec, ...] = ()
    channels: tuple[ChannelSettings, ...] = ()

    def queue(self, name: str) -> QueueSpec | None:
        """The queue of that name, if declared."""
        return next((queue for queue in self.queues if queue.name == name), None)

    def worker(self, name: str) -> WorkerSpec | None:
        """The worker of that name, if declared."""
        return next((worker for worker in self.workers if worker.name == name), None)


def _listed(sizes: Sequence[int]) -> str:
    if isinstance(sizes, range):
        return f"{sizes.start} to {sizes[-1]} in steps of {sizes.step}"
    return ", ".join(map(str, sizes))
