"""`tidegate control`: gateway, HTTP API and orchestrator, in one process behind one port."""

import click

from tidegate.cli.options import app_argument, chosen_app, read_dotenv


@click.command("control")
@app_argument
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def command(*, app: str | None, port: int, host: str) -> None:
    r"""Run gateway, HTTP API, scheduler and orchestrator of APP, until SIGTERM.

    `tidegate up` runs it for you. Alone it needs TIDEGATE_VALKEY_URL, and TIDEGATE_ADMIN_TOKEN and
    TIDEGATE_SECRET_KEY as its neighbours have them.

    \b
    Examples:
      TIDEGATE_VALKEY_URL=valkey://cache:6379 tidegate control captions:app
      tidegate control captions:app --host 0.0.0.0 --port 8080
    """
    from tidegate.runtime import control  # noqa: PLC0415 - `--help` needs none of it

    read_dotenv()
    control.main(chosen_app(app), host=host, port=port)
