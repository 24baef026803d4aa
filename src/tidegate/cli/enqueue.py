"""`tidegate enqueue`: enqueue a job."""

from pathlib import Path
from typing import Any

import click

from tidegate.app import App
from tidegate.cli.options import app_option, as_json, data, seconds
from tidegate.cli.reach import Reach, run
from tidegate.cli.show import print_json
from tidegate.cli.style import BOLD, DIM, styled
from tidegate.handler import Job
from tidegate.jobs.handle import JobHandle


@click.command("enqueue")
@click.argument("job")
@click.argument("payload", default="null")
@click.option("--key", help="Jobs of one key run one at a time, in order.")
@click.option("--affinity", help="Jobs of one affinity go to the worker that holds it.")
@click.option("--priority", help="A priority of the queue.")
@click.option("--delay", type=seconds, help="Time until it may start: 10s, 5m, 2h, 1d.")
@click.option("--dedupe", help="While a job with this id has not ended, return that one.")
@click.option("--id", help="The job's id; enqueuing an id again does nothing.")
@click.option("--wait", is_flag=True, help="Wait for the result and print it.")
@app_option
@data
@as_json
def command(
    *, job: str, payload: str, wait: bool, app: str | None, data: Path, as_json: bool, **given: Any
) -> None:
    r"""Enqueue JOB with PAYLOAD, JSON of the type its handler takes.

    JOB is the job's name, or what follows the app's name in it. A handler with several parameters
    takes an object with a field for each, one with a single parameter takes its value.

    \b
    Examples:
      tidegate enqueue transcribe '"videos/7.mp4"'
      tidegate enqueue captions.transcribe '"videos/7.mp4"' --priority high --wait
      tidegate enqueue report '{"year": 2026, "month": 5}' --delay 10m --key reports
    """
    options = {name: value for name, value in given.items() if value is not None}
    run(_enqueue(Reach.find(data, app), job, payload, options, wait=wait, as_json=as_json))


async def _enqueue(
    reach: Reach, name: str, payload: str, options: dict[str, Any], *, wait: bool, as_json: bool
) -> None:
    async with reach.client() as client:
        job = _named(client.app, name)
        job.payload.check(payload.encode())
        handle = await client.enqueue_packed(job, payload.encode(), job.using(**options).options)
        if not wait:
            _print(handle, as_json=as_json)
            return
        print_json(await handle.result())


def _named(app: App, name: str) -> Job[Any, Any]:
    known = {job for queue in app.queues.values() for job in queue.jobs}
    full = f"{app.name}.{name}"
    return app.find_job(full if name not in known and full in known else name)


def _print(handle: JobHandle, *, as_json: bool) -> None:
    if as_json:
        print_json({"job": handle.id, "channel": handle.channel, "created": handle.created})
        return
    known = "" if handle.created else "  it was enqueued before"
    print(f"{styled(handle.id, BOLD)}{styled(known, DIM)}")
