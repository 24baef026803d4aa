"""`tidegate check`: validate what an app declares, without starting anything."""

import click

from tidegate.cli.options import app_argument, as_json, chosen_app, read_dotenv
from tidegate.cli.style import BOLD, DIM, styled
from tidegate.runtime.target import load_app
from tidegate.spec import AppSpec


@click.command("check")
@app_argument
@as_json
def command(*, app: str | None, as_json: bool) -> None:
    r"""Import APP and say what it declares.

    A wrong declaration is printed with what was expected and found; the exit status is then 2.

    \b
    Examples:
      tidegate check captions:app
      tidegate check captions:app --json | jq .queues
    """
    read_dotenv()
    found = load_app(chosen_app(app))
    print(found.describe().decode() if as_json else summary(found.spec))


def summary(spec: AppSpec) -> str:
    """The app's name, and a line for each kind of thing it declares."""
    lines = [f"{styled(spec.name, BOLD)} is well declared"]
    kinds = {
        "queues": [queue.name for queue in spec.queues],
        "jobs": [job.name for queue in spec.queues for job in queue.jobs],
        "workers": [f"{it.name} ({it.scale.min} to {it.scale.max} tasks)" for it in spec.workers],
        "services": [f"{it.name} at {', '.join(it.paths)}" for it in spec.services],
        "daemons": [it.name for it in spec.daemons],
        "containers": [it.name for it in spec.containers],
        "schedules": [f"{it.name} ({it.cron})" for it in spec.schedules],
        "channels": [it.pattern for it in spec.channels],
    }
    for kind, names in kinds.items():
        if names:
            lines.append(f"  {styled(f'{kind:<10}', DIM)} {', '.join(names)}")
    return "\n".join(lines)
