"""The Python way to run queue-driven work on AWS ECS Fargate, and on a laptop."""

from typing import TYPE_CHECKING, Any

from tidegate.app import App, Queue
from tidegate.handler import Job
from tidegate.jobs.context import Fatal, Interrupted, JobContext, Snooze
from tidegate.jobs.retry import Retry
from tidegate.spec import QueueDepth, Size

if TYPE_CHECKING:
    from tidegate.client import Client

__all__ = [
    "App",
    "Client",
    "Fatal",
    "Interrupted",
    "Job",
    "JobContext",
    "Queue",
    "QueueDepth",
    "Retry",
    "Size",
    "Snooze",
]


def __getattr__(name: str) -> Any:
    # The client brings the connections along, which whoever only declares an app need not load.
    if name == "Client":
        from tidegate.client import Client  # noqa: PLC0415

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
