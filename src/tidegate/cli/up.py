"""`tidegate up`: an app and everything it needs, on this machine."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from tidegate.cli.options import app_argument, as_json, chosen_app, data, read_dotenv
from tidegate.cli.style import BOLD, CYAN, DIM, GREEN, RED, YELLOW, styled
from tidegate.runtime.listener import Listener
from tidegate.runtime.up import Options, Up
from tidegate.settings import Settings

_NAME_WIDTH = 12


@click.command("up")
@app_argument
@click.option("--port", default=8000, show_default=True, help="Port of the app; 0 for a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@data
@click.option("--reload", is_flag=True, help="Restart services and drain workers on a change.")
@click.option("-v", "--verbose", is_flag=True, help="Show what services and tasks write.")
@as_json
def command(*, app: str | None, host: str, data: Path, as_json: bool, **given: Any) -> None:
    r"""Run APP and all it needs on this machine, until ctrl-C.

    Starts Valkey (unless TIDEGATE_VALKEY_URL names one), the control process, every service,
    daemon and container, and workers as the queues need them. Everything is kept in the data
    folder; nothing is left running.

    \b
    Examples:
      tidegate up captions:app
      tidegate up captions:app --port 9000 --reload --verbose
      TIDEGATE_VALKEY_URL=valkeys://:secret@cache:6379 tidegate up
    """
    read_dotenv()
    options = Options(target=chosen_app(app), host=host, **given)
    settings = Settings.load(data=data)
    listener: Listener = Lines() if as_json else Page()
    asyncio.run(_run(Up(options, settings, listener)))


async def _run(up: Up) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, up.stop)
    loop.add_signal_handler(signal.SIGINT, _interrupted, up)
    await up.run()


def _interrupted(up: Up) -> None:
    if sys.stdout.isatty():
        _print("")  # the terminal has written ^C where the next line would begin
    up.stop()


class Page:
    """Says it to a person: a line for each service, then the address."""

    def ready(self, name: str, seconds: float, note: str = "") -> None:
        """`✓ web  ready in 0.41 s`."""
        line = f"  {styled('✓', GREEN)} {name:<{_NAME_WIDTH}} {styled(f'{seconds:.2f} s', DIM)}"
        _print(f"{line}  {styled(note, YELLOW)}" if note else line)

    def open(self, url: str, seconds: float) -> None:
        """The address, on a line of its own."""
        _print(f"\n  {styled(url, BOLD, CYAN)}  {styled(f'ready in {seconds:.2f} s', DIM)}\n")

    def ended(self, name: str, how: str, *, last: Sequence[str], retry_in: float | None) -> None:
        """How it ended, and its last words."""
        _print(f"  {styled('✗', RED)} {name:<{_NAME_WIDTH}} {how}{_again(retry_in)}")
        for line in last:
            _print(styled(f"      {line}", DIM))

    def note(self, text: str) -> None:
        """A line of its own."""
        _print(f"  {styled(text, DIM)}")

    def output(self, name: str, line: str) -> None:
        """The line, behind its service's name."""
        _print(f"{styled(f'{name:>{_NAME_WIDTH}} |', DIM)} {line}")


class Lines:
    """Says it to a program: a JSON object a line."""

    def ready(self, name: str, seconds: float, note: str = "") -> None:
        """`{"event": "ready", …}`."""
        _print_json(event="ready", name=name, seconds=seconds, note=note)

    def open(self, url: str, seconds: float) -> None:
        """`{"event": "open", …}`."""
        _print_json(event="open", url=url, seconds=seconds)

    def ended(self, name: str, how: str, *, last: Sequence[str], retry_in: float | None) -> None:
        """`{"event": "ended", …}`."""
        _print_json(event="ended", name=name, how=how, last=list(last), retry_in=retry_in)

    def note(self, text: str) -> None:
        """`{"event": "note", …}`."""
        _print_json(event="note", text=text)

    def output(self, name: str, line: str) -> None:
        """`{"event": "output", …}`."""
        _print_json(event="output", name=name, line=line)


def _again(retry_in: float | None) -> str:
    return "" if retry_in is None else f"; starting it again in {retry_in:g} s"


def _print_json(**fields: object) -> None:
    _print(msgspec.json.encode(fields).decode())


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
