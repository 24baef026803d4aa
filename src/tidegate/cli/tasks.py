"""`tidegate tasks`: the tasks there are, and what their workers do."""

from collections.abc import Sequence
from pathlib import Path

import click

from tidegate.cli.options import app_option, as_json, data
from tidegate.cli.reach import Reach, run
from tidegate.cli.show import ago, print_json, print_table
from tidegate.cli.style import DIM, YELLOW, styled
from tidegate.jobs.backend import WorkerReport
from tidegate.launchers.desk import RemoteLauncher
from tidegate.launchers.launcher import Phase, Task
from tidegate.scaling.board import statuses
from tidegate.scaling.status import Status

_HEADS = ("task", "worker", "phase", "busy", "slots", "pid", "started", "why it stopped")


@click.command("tasks")
@click.option("--all", "everything", is_flag=True, help="Those stopped lately, too.")
@app_option
@data
@as_json
def command(*, everything: bool, app: str | None, data: Path, as_json: bool) -> None:
    r"""List tasks, what each is doing, and how many there should be.

    \b
    Examples:
      tidegate tasks
      tidegate tasks --all
      tidegate tasks --json | jq .task
    """
    reach = Reach.find(data, app)
    tasks, reports, found = run(_seen(reach))
    rows = [
        *(_row(task, reports) for task in tasks if everything or task.phase is not Phase.STOPPED),
        *(_hand_row(report) for report in reports if not report.task),
    ]
    if as_json:
        for row in rows:
            print_json(dict(zip(_HEADS[:-1], row, strict=False)) | {"reason": row[-1]})
        return
    for status in found:
        print(_line(status))
    print_table(_HEADS, rows, "no tasks")


async def _seen(reach: Reach) -> tuple[Sequence[Task], list[WorkerReport], list[Status]]:
    async with reach.valkey() as valkey, reach.queues() as queues:
        reports = await queues.workers()
        found = await statuses(valkey)
    tasks = await RemoteLauncher(Path(reach.running.desk)).tasks() if reach.running else []
    return tasks, reports, found


def _row(task: Task, reports: Sequence[WorkerReport]) -> tuple[object, ...]:
    report = next((each for each in reports if each.task == task.id), None)
    phase = "starting" if report is None and task.phase is Phase.RUNNING else task.phase.value
    if report is not None and report.draining and task.phase is Phase.RUNNING:
        phase = "draining"
    busy, slots = (report.busy, report.slots) if report else (0, 0)
    return (
        task.id, task.worker, phase, busy, slots, task.pid, ago(task.started_at), task.stop_reason
    )  # fmt: skip


def _hand_row(report: WorkerReport) -> tuple[object, ...]:
    phase = "draining" if report.draining else "running"
    queues = ",".join(report.queues)
    return ("-", queues, phase, report.busy, report.slots, report.pid, "-", "")


def _line(status: Status) -> str:
    tasks = status.tasks
    counts = f"{tasks.running} running, {tasks.starting} starting, {tasks.draining} draining"
    line = f"{status.worker}: {tasks.desired} wanted, {counts}; {styled(status.reason, DIM)}"
    waiting = status.waiting.reason
    return f"{line}\n  {styled(waiting, YELLOW)}" if waiting else line
