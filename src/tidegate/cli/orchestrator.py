"""`tidegate orchestrator`: start tasks as the queues need them, and nothing else."""

import asyncio

import click

from tidegate.cli.options import app_argument, chosen_app, read_dotenv


@click.command("orchestrator")
@app_argument
def command(*, app: str | None) -> None:
    r"""Watch the queues of APP and start tasks as its policies say, until SIGTERM.

    `tidegate control` has one inside; this is for a host of your own. Any number may run: the one
    that holds the lease acts, and another follows within five seconds when it dies. Tasks are
    processes of this machine and end with this one.

    \b
    Examples:
      TIDEGATE_VALKEY_URL=valkey://cache:6379 tidegate orchestrator captions:app
    """
    from tidegate.runtime import orchestrator  # noqa: PLC0415 - `--help` needs none of it
    from tidegate.runtime.target import load_app  # noqa: PLC0415
    from tidegate.settings import Settings  # noqa: PLC0415

    read_dotenv()
    target = chosen_app(app)
    asyncio.run(orchestrator.run(load_app(target), target, Settings.load()))
