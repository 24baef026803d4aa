"""`tidegate queues`: list, pause and resume queues."""

from pathlib import Path

import click

from tidegate.cli.options import app_option, as_json, data
from tidegate.cli.reach import Reach, run
from tidegate.cli.show import age, print_json, print_table
from tidegate.jobs.backend import QueueStats

_HEADS = (
    "queue", "depth", "ready", "running", "scheduled", "bound", "dead", "oldest", "in/s", "out/s",
    "",
)  # fmt: skip


@click.group("queues")
def command() -> None:
    r"""List, pause and resume queues.

    \b
    Examples:
      tidegate queues list
      tidegate queues pause videos
    """


@command.command("list")
@app_option
@data
@as_json
def list_(*, app: str | None, data: Path, as_json: bool) -> None:
    r"""List queues: depth (ready and running jobs), the oldest one's wait, rates over a minute.

    \b
    Examples:
      tidegate queues list
      tidegate queues list --json | jq .depth
    """
    found = run(_stats(Reach.find(data, app)))
    if as_json:
        for stats in found:
            fields = {name: getattr(stats, name) for name in stats.__struct_fields__}
            print_json({**fields, "depth": stats.depth})
    else:
        print_table(_HEADS, [_row(stats) for stats in found], "no queues")


async def _stats(reach: Reach) -> list[QueueStats]:
    async with reach.queues() as queues:
        return await queues.stats(reach.queue_names)


def _row(stats: QueueStats) -> tuple[object, ...]:
    return (
        stats.name,
        stats.depth,
        stats.ready,
        stats.running,
        stats.scheduled,
        stats.bound,
        stats.dead + stats.quarantined,
        age(stats.oldest_age) if stats.ready else "-",
        round(stats.enqueue_rate, 1),
        round(stats.finish_rate, 1),
        "paused" if stats.paused else "",
    )


@command.command()
@click.argument("queue")
@app_option
@data
@as_json
def pause(*, queue: str, app: str | None, data: Path, as_json: bool) -> None:
    r"""Stop claims from QUEUE; jobs that run go on, and enqueuing is still possible.

    \b
    Examples:
      tidegate queues pause videos
    """
    _set(Reach.find(data, app), queue, paused=True, as_json=as_json)


@command.command()
@click.argument("queue")
@app_option
@data
@as_json
def resume(*, queue: str, app: str | None, data: Path, as_json: bool) -> None:
    r"""Let QUEUE be claimed from again.

    \b
    Examples:
      tidegate queues resume videos
    """
    _set(Reach.find(data, app), queue, paused=False, as_json=as_json)


def _set(reach: Reach, queue: str, *, paused: bool, as_json: bool) -> None:
    (name,) = reach.chosen_queues(queue)
    run(_pause(reach, name, paused=paused))
    if as_json:
        print_json({"queue": name, "paused": paused})
    else:
        print(f"{name} is {'paused' if paused else 'open'}")


async def _pause(reach: Reach, queue: str, *, paused: bool) -> None:
    async with reach.queues() as queues:
        await queues.pause(queue, paused=paused)
