"""The terminal: commands typed in a browser run in queue workers, in a project's workspace."""

from typing import Final

from apps.terminal.command import UNKNOWN_END, Command, Ended
from apps.terminal.sandbox.limits import MIB
from apps.terminal.settings import TerminalSettings
from apps.terminal.worker import bench
from tidegate import App, JobContext, QueueDepth, Retry, Size

# Fetching before and saving after a command have this long beyond the command's own time.
AROUND: Final = 300.0
DAY: Final = 86400.0
# How long a command whose worker was killed looks as if it still ran.
LEASE: Final = 15.0

settings = TerminalSettings.load()
app = App("terminal")

app.channel(
    "terminal:*:*",
    hot_bytes=4 * MIB,
    keep_bytes=settings.keep_output_mb * MIB,
    ttl=settings.keep_output_days * DAY,
)
# What was typed is of no use once a command has read it; a command starts where it was typed.
app.channel("input:*:*", hot_bytes=MIB, hot_events=10_000, keep_bytes=MIB, ttl=DAY)
app.channel("project:*", hot_bytes=MIB, hot_events=1000, keep_bytes=MIB, ttl=DAY)

commands = app.queue(
    "commands",
    lease=LEASE,
    slots=settings.slots,
    size=Size(settings.task_cpu, settings.task_memory),
    scale=QueueDepth(
        messages_per_task=settings.messages_per_task,
        min=settings.min_tasks,
        max=settings.max_tasks,
    ),
    max_depth=settings.max_depth,
    drain=settings.drain,
    stop_timeout=settings.drain + 10,
    env=settings.of_workers,
)

app.service(
    "web",
    "apps.terminal.api.asgi:create",
    paths=["/"],
    env=settings.of_web,
    secrets=["TERMINAL_OIDC_CLIENT_SECRET"] if settings.oidc_client_secret else [],
)


@commands.job(
    name="terminal.command",
    retry=Retry(attempts=1),
    timeout=settings.timeout + AROUND,
    on_crash="fail",
    end=UNKNOWN_END,
)
async def run_command(job: JobContext, command: Command) -> Ended:
    """Run one command in its terminal."""
    return await bench(job.client, settings).run(job, command)


@commands.before_release
async def release(project: str, epoch: int) -> None:
    """Save a project's workspace before another worker takes it over."""
    await bench(app.client, settings).release(project, epoch)
