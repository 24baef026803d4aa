"""`tidegate worker`: claim jobs and run them."""

import click

from tidegate.cli.options import app_argument, chosen_app, read_dotenv


@click.command("worker")
@app_argument
@click.argument("name", required=False)
@click.option(
    "--exit-when-idle",
    type=float,
    metavar="SECONDS",
    help="Leave after this long without a job.",
)
def command(*, app: str | None, name: str | None, exit_when_idle: float | None) -> None:
    r"""Run the worker NAME of APP until SIGTERM: claim jobs of its queues and run their handlers.

    NAME may be left out where the app declares one worker. On SIGTERM it claims no more, lets
    running jobs finish within the worker's drain time and hands the others back.

    \b
    Examples:
      tidegate worker captions:app videos
      tidegate worker captions:app videos --exit-when-idle 60
    """
    from tidegate.runtime import worker  # noqa: PLC0415 - `--help` needs none of it

    read_dotenv()
    worker.main(chosen_app(app), name, exit_when_idle=exit_when_idle)
