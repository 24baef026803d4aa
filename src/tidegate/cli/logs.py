"""`tidegate logs`: what services and tasks have written."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tidegate.cli.options import as_json, data
from tidegate.cli.reach import run
from tidegate.cli.show import print_json
from tidegate.cli.style import DIM, styled
from tidegate.errors import UsageError
from tidegate.launchers.logs import Follower, last_lines
from tidegate.runtime.folder import DataFolder

_LOOK_EVERY: Final = 0.1


@click.command("logs")
@click.argument("names", nargs=-1)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now.")
@click.option("-n", "--lines", default=50, show_default=True, help="Last lines of each log.")
@data
@as_json
def command(*, names: tuple[str, ...], follow: bool, lines: int, data: Path, as_json: bool) -> None:
    r"""Show the logs of NAMES: services, control, valkey, and tasks by id or its beginning.

    Without NAMES, of all services; with the word tasks, of all tasks.

    \b
    Examples:
      tidegate logs
      tidegate logs web -f
      tidegate logs tasks -n 5
      tidegate logs 01M81X62
    """
    folder = DataFolder(data.resolve())
    logs = _chosen(folder, names)
    for log in logs:
        for line in last_lines(log, lines):
            _print(log, line, alone=len(logs) == 1, as_json=as_json)
    if follow:
        run(_follow(folder, names, logs, as_json=as_json))


def _chosen(folder: DataFolder, names: Sequence[str]) -> list[Path]:
    """The logs that names mean.

    Raises:
        UsageError: A name means none.
    """
    services, tasks = sorted(folder.logs.glob("*.log")), sorted(folder.task_logs.glob("*.log"))
    if not names:
        return services
    chosen: list[Path] = []
    for name in names:
        found = (
            tasks
            if name == "tasks"
            else [
                *(log for log in services if log.stem == name),
                *(log for log in tasks if log.stem.startswith(name.upper())),
            ]
        )
        if not found and name != "tasks":
            known = ", ".join(log.stem for log in services) or "none"
            raise UsageError(
                f"expected the name of a service or task, found {name!r}; services: {known}"
            )
        chosen += found
    return chosen


async def _follow(
    folder: DataFolder, names: Sequence[str], logs: Sequence[Path], *, as_json: bool
) -> None:
    """Print lines as they are written, of logs that come later as well, until interrupted."""
    followers = {log: Follower(log) for log in logs}
    alone = bool(names) and len(logs) == 1
    while True:
        for log in _chosen(folder, names):
            follower = followers.setdefault(log, Follower(log, from_start=True))
            for line in follower.lines():
                _print(log, line, alone=alone, as_json=as_json)
        await asyncio.sleep(_LOOK_EVERY)


def _print(log: Path, line: str, *, alone: bool, as_json: bool) -> None:
    if as_json:
        print_json({"name": log.stem, "line": line})
    else:
        print(line if alone else f"{styled(f'{log.stem:>12} |', DIM)} {line}", flush=True)
