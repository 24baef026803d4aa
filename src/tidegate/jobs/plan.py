"""What a worker knows of a handler before the first of its jobs comes: its call plan. Pure.

Everything that inspection could tell is looked up here once, so that running a job is decoding,
calling and encoding.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tidegate.jobs.retry import Retry
from tidegate.observability.metrics import QUEUE_WAIT, RUN_TIME, Histogram, Recorder

if TYPE_CHECKING:
    from tidegate.app import App
    from tidegate.handler import Job, RunsIn


class Plan:
    """How to run the jobs of one handler.

    Attributes:
        name: The handler's name.
        function: The handler, taking all its arguments by position.
        handler: The handler as it was declared, which knows its module.
        runs_in: The event loop, a thread, or a child process.
        takes_context: Whether its first argument is the `JobContext`.
        unpack: Its other arguments from a payload.
        retry: When a failed attempt runs again.
        waited: Where the seconds from ready to start are counted.
        ran: Where the seconds of a run are counted.
    """

    __slots__ = (
        "function",
        "handler",
        "name",
        "ran",
        "retry",
        "runs_in",
        "takes_context",
        "unpack",
        "waited",
    )

    def __init__(self, job: "Job[Any, Any]", recorder: Recorder) -> None:
        self.name = job.name
        self.function: Callable[..., Any] = job.call
        self.handler: Callable[..., Any] = job.function
        self.runs_in: RunsIn = job.runs_in
        self.takes_context = job.takes_context
        self.unpack: Callable[[bytes], tuple[object, ...]] = job.payload.unpack
        self.retry: Retry = job.retry
        labels: Mapping[str, str] = {"queue": job.queue.name, "job": job.name}
        self.waited: Histogram = recorder.histogram(QUEUE_WAIT, labels)
        self.ran: Histogram = recorder.histogram(RUN_TIME, labels)


def plans(app: "App", recorder: Recorder) -> dict[str, Plan]:
    """The plan of every handler an app declares, by name."""
    return {
        job.name: Plan(job, recorder)
        for queue in app.queues.values()
        for job in queue.jobs.values()
    }
