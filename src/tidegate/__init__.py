"""The Python way to run queue-driven work on AWS ECS Fargate, and on a laptop."""

from tidegate.app import App, Queue
from tidegate.handler import Job
from tidegate.jobs.context import Fatal, Interrupted, JobContext, Snooze
from tidegate.jobs.retry import Retry
from tidegate.spec import QueueDepth, Size

__all__ = [
    "App",
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
