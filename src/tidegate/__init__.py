"""The Python way to run queue-driven work on AWS ECS Fargate, and on a laptop.

What an app needs is imported from here; beside it `tidegate.errors`, `tidegate.clock` and
`tidegate.testing` are for apps as well.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from tidegate.app import App, Queue
from tidegate.handler import Job
from tidegate.jobs.context import Fatal, Interrupted, JobContext, Snooze
from tidegate.jobs.retry import Retry
from tidegate.spec import QueueDepth, Size

if TYPE_CHECKING:
    from tidegate.channels.cursor import Cursor
    from tidegate.channels.message import Gap, Message
    from tidegate.client import Client
    from tidegate.gateway.auth import Cap, Keyring
    from tidegate.ids import new_id
    from tidegate.jobs.job import JobRecord, State
    from tidegate.objects import Objects
    from tidegate.observability.logs import Logger
    from tidegate.scaling.board import statuses
    from tidegate.settings import Settings

__all__ = [
    "App",
    "Cap",
    "Client",
    "Cursor",
    "Fatal",
    "Gap",
    "Interrupted",
    "Job",
    "JobContext",
    "JobRecord",
    "Keyring",
    "Logger",
    "Message",
    "Objects",
    "Queue",
    "QueueDepth",
    "Retry",
    "Settings",
    "Size",
    "Snooze",
    "State",
    "new_id",
    "statuses",
]

# These bring connections along, which whoever only declares an app need not load.
_LATER: Final = {
    "Cap": "tidegate.gateway.auth",
    "Client": "tidegate.client",
    "Cursor": "tidegate.channels.cursor",
    "Gap": "tidegate.channels.message",
    "JobRecord": "tidegate.jobs.job",
    "Keyring": "tidegate.gateway.auth",
    "Logger": "tidegate.observability.logs",
    "Message": "tidegate.channels.message",
    "Objects": "tidegate.objects",
    "Settings": "tidegate.settings",
    "State": "tidegate.jobs.job",
    "new_id": "tidegate.ids",
    "statuses": "tidegate.scaling.board",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
