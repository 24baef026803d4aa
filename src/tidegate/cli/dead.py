"""`tidegate dead`: list and redrive jobs that failed for good."""

from pathlib import Path

import click

from tidegate.cli.jobs import newest, print_records, print_redriven, redriven
from tidegate.cli.options import app_option, as_json, data
from tidegate.cli.reach import Reach, run
from tidegate.errors import UsageError
from tidegate.jobs.job import JobRecord, State

_MOST = 1000


@click.group("dead")
def command() -> None:
    r"""List and redrive jobs that failed for good, or were quarantined for killing their workers.

    \b
    Examples:
      tidegate dead list
      tidegate dead redrive --queue videos
    """


@command.command("list")
@click.argument("queue", required=False)
@click.option("--limit", default=20, show_default=True, help="Jobs of each queue and state.")
@app_option
@data
@as_json
def list_(*, queue: str | None, limit: int, app: str | None, data: Path, as_json: bool) -> None:
    r"""List dead and quarantined jobs of QUEUE, or of every queue, newest first.

    \b
    Examples:
      tidegate dead list videos
      tidegate dead list --json | jq -r .id
    """
    reach = Reach.find(data, app)
    records = run(_failed(reach, reach.chosen_queues(queue), limit))
    print_records(records, as_json=as_json)


@command.command()
@click.argument("jobs", nargs=-1)
@click.option("--queue", help="Redrive all that are dead in this queue.")
@app_option
@data
@as_json
def redrive(
    *, jobs: tuple[str, ...], queue: str | None, app: str | None, data: Path, as_json: bool
) -> None:
    r"""Make dead and quarantined jobs ready again, with fresh counters.

    \b
    Examples:
      tidegate dead redrive 01M81X62NTAKTXN41H4VRZB205
      tidegate dead redrive --queue videos
    """
    if bool(jobs) == bool(queue):
        raise UsageError("expected job ids or --queue, and not both; name what to redrive")
    reach = Reach.find(data, app)
    count = run(_redrive(reach, list(jobs), queue))
    print_redriven(count, as_json=as_json)


async def _redrive(reach: Reach, jobs: list[str], queue: str | None) -> int:
    if queue is not None:
        records = await _failed(reach, reach.chosen_queues(queue), _MOST)
        jobs = [record.id for record in records]
    return await redriven(reach, jobs)


async def _failed(reach: Reach, names: list[str], limit: int) -> list[JobRecord]:
    dead = await newest(reach, names, State.DEAD, limit)
    quarantined = await newest(reach, names, State.QUARANTINED, limit)
    return sorted([*dead, *quarantined], key=lambda record: record.id, reverse=True)
