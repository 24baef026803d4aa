"""`tidegate jobs`: list, show, watch, cancel and retry jobs."""

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from tidegate.cli.options import app_option, as_json, data
from tidegate.cli.reach import Reach, run
from tidegate.cli.show import (
    ago,
    job_page,
    print_json,
    print_table,
    record_fields,
    state_word,
)
from tidegate.cli.style import DIM, styled
from tidegate.cli.watch import watched
from tidegate.errors import UnknownJobError
from tidegate.jobs.handle import reason_of
from tidegate.jobs.job import JobRecord, State


@click.group("jobs")
def command() -> None:
    r"""List, show, watch, cancel and retry jobs.

    \b
    Examples:
      tidegate jobs list --state running
      tidegate jobs watch 01M81X62NTAKTXN41H4VRZB205
    """


@command.command("list")
@click.argument("queue", required=False)
@click.option("--state", type=click.Choice([state.value for state in State]))
@click.option("--limit", default=20, show_default=True, help="Jobs of each queue.")
@app_option
@data
@as_json
def list_(
    *, queue: str | None, state: str | None, limit: int, app: str | None, data: Path, as_json: bool
) -> None:
    r"""List the newest jobs of QUEUE, or of every queue.

    \b
    Examples:
      tidegate jobs list
      tidegate jobs list videos --state dead --limit 100
      tidegate jobs list --json | jq .id
    """
    reach = Reach.find(data, app)
    chosen = State(state) if state else None
    records = run(newest(reach, reach.chosen_queues(queue), chosen, limit))
    print_records(records, as_json=as_json)


async def newest(
    reach: Reach, names: list[str], state: State | None, limit: int
) -> list[JobRecord]:
    """The newest jobs of some queues, newest first."""
    found: list[JobRecord] = []
    async with reach.queues() as queues:
        for name in names:
            cursor, kept = None, 0
            while kept < limit:
                page = await queues.browse(name, state=state, cursor=cursor, limit=limit - kept)
                found += page.jobs
                kept, cursor = kept + len(page.jobs), page.cursor
                if cursor is None:
                    break
    return sorted(found, key=lambda record: record.id, reverse=True)


def print_records(records: list[JobRecord], *, as_json: bool) -> None:
    """Jobs as a table, or as a JSON object a line."""
    if as_json:
        for record in records:
            print_json(record_fields(record))
        return
    rows = [
        (it.id, it.name, it.queue, it.state.value, it.attempt, ago(it.enqueued_at), reason_of(it))
        for it in records
    ]
    heads = ("job", "name", "queue", "state", "attempt", "enqueued", "reason")
    print_table(heads, rows, "no jobs")


@command.command()
@click.argument("job")
@app_option
@data
@as_json
def show(*, job: str, app: str | None, data: Path, as_json: bool) -> None:
    r"""Show everything kept about JOB: state, payload, result, errors.

    \b
    Examples:
      tidegate jobs show 01M81X62NTAKTXN41H4VRZB205
      tidegate jobs show 01M81X62NTAKTXN41H4VRZB205 --json | jq .result
    """
    record = run(_record(Reach.find(data, app), job))
    if as_json:
        print_json(record_fields(record))
    else:
        print(job_page(record))


async def _record(reach: Reach, job: str) -> JobRecord:
    async with reach.queues() as queues:
        record = await queues.get(job)
    if record is None:
        raise UnknownJobError(job)
    return record


@command.command()
@click.argument("job")
@app_option
@data
@as_json
def watch(*, job: str, app: str | None, data: Path, as_json: bool) -> int:
    r"""Follow the events of JOB from its first to its last.

    The exit status is 0 where it succeeded, 1 where it ended otherwise.

    \b
    Examples:
      tidegate jobs watch 01M81X62NTAKTXN41H4VRZB205
      tidegate jobs watch "$(tidegate enqueue transcribe '"7.mp4"')"
    """
    record = run(watched(Reach.find(data, app), job, _print_raw if as_json else _print_event))
    if not as_json:
        words = f"{state_word(record.state)} {styled(reason_of(record), DIM)}"
        print(words.rstrip(), file=sys.stderr)
    return 0 if record.state is State.SUCCEEDED else 1


def _print_raw(data: bytes) -> None:
    sys.stdout.write(data.decode() + "\n")
    sys.stdout.flush()


def _print_event(data: bytes) -> None:
    """Output as it is, any other event as its JSON."""
    event = msgspec.json.decode(data)
    is_output = isinstance(event, dict) and event.get("type") == "output"
    if is_output and "encoding" not in event:
        sys.stdout.write(str(event.get("data", "")))
    else:
        sys.stdout.write(styled(data.decode(), DIM) + "\n")
    sys.stdout.flush()


@command.command()
@click.argument("jobs", nargs=-1, required=True)
@click.option("--reason", default="cancelled from the command line", show_default=True)
@app_option
@data
@as_json
def cancel(
    *, jobs: tuple[str, ...], reason: str, app: str | None, data: Path, as_json: bool
) -> None:
    r"""Cancel JOBS: at once where they wait, through their workers where they run.

    \b
    Examples:
      tidegate jobs cancel 01M81X62NTAKTXN41H4VRZB205
      tidegate jobs cancel 01M81X62NTAKTXN41H4VRZB205 --reason "wrong file"
    """
    states = run(_cancel(Reach.find(data, app), jobs, reason))
    for job, state in zip(jobs, states, strict=True):
        if as_json:
            print_json({"job": job, "state": state})
        else:
            asked = "asked to stop" if state is State.RUNNING else state_word(state)
            print(f"{job}  {asked}")


async def _cancel(reach: Reach, jobs: tuple[str, ...], reason: str) -> list[State]:
    async with reach.queues() as queues:
        return list(await asyncio.gather(*(queues.cancel(job, reason) for job in jobs)))


@command.command()
@click.argument("jobs", nargs=-1, required=True)
@app_option
@data
@as_json
def retry(*, jobs: tuple[str, ...], app: str | None, data: Path, as_json: bool) -> None:
    r"""Make JOBS that ended without success ready again.

    \b
    Examples:
      tidegate jobs retry 01M81X62NTAKTXN41H4VRZB205
    """
    print_redriven(run(redriven(Reach.find(data, app), list(jobs))), as_json=as_json)


async def redriven(reach: Reach, jobs: list[str]) -> int:
    """How many of the jobs are ready again.

    Raises:
        UnknownJobError: One of them is not known; none was touched.
    """
    async with reach.queues() as queues:
        for job in jobs:
            if await queues.get(job) is None:
                raise UnknownJobError(job)
        return await queues.redrive(jobs)


def print_redriven(count: int, *, as_json: bool) -> None:
    """How many jobs are ready again."""
    if as_json:
        print_json({"redriven": count})
    else:
        print(f"{count} {'job is' if count == 1 else 'jobs are'} ready again")
