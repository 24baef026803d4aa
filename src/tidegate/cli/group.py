"""`tidegate`: the table of verbs, and what becomes of errors."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

import click

from tidegate.errors import TidegateError

VERBS: Final = {
    "init": "Write a small app to start from.",
    "up": "Run an app and all it needs on this machine.",
    "check": "Validate what an app declares.",
    "worker": "Run one worker.",
    "control": "Run gateway, HTTP API and orchestrator.",
    "orchestrator": "Run the orchestrator alone.",
    "enqueue": "Enqueue a job.",
    "jobs": "List, show, watch, cancel and retry jobs.",
    "dead": "List and redrive jobs that failed for good.",
    "queues": "List, pause and resume queues.",
    "tasks": "List running tasks.",
    "logs": "Show the logs of services and tasks.",
    "token": "Print a token for channels.",
    "health": "Say whether the app is healthy.",
}
INTERRUPTED: Final = 130


class Verbs(click.Group):
    """The verbs, each in a file of its own that is imported when it is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Every verb, in the order of a day's work."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb; None for a word that is none."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"tidegate.cli.{cmd_name}").command
        return _with_paragraphs(command)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _with_paragraphs(command: click.Command) -> click.Command:
    r"""The same command, whose docstrings' `\b` keep the lines below them as they are.

    click looks for a backspace character, which a raw docstring does not hold.
    """
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for verb in command.commands.values():
            _with_paragraphs(verb)
    return command


@click.group(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `tidegate init`, then `tidegate up`.",
)
@click.version_option(package_name="tidegate", message="%(prog)s %(version)s")
def cli() -> None:
    """Run queue-driven work on a laptop and on AWS ECS Fargate."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit status: 0, 1 for a failure, 2 for wrong usage."""
    try:
        result = cli.main(list(arguments), prog_name="tidegate", standalone_mode=False)
    except (click.exceptions.Exit, click.ClickException, TidegateError, ExceptionGroup) as error:
        return _explained(error)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone, as with `| head`; nothing more can be written, and that is fine.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


def _explained(error: Exception) -> int:
    """Print an error that was to be expected, and return its exit status; raise any other."""
    match error:
        case click.exceptions.Exit(exit_code=status):
            return status
        case ExceptionGroup(exceptions=(only,)) if isinstance(only, Exception):
            return _explained(only)
        case click.exceptions.NoArgsIsHelpError():
            print(error.format_message(), file=sys.stderr)
            return error.exit_code
        case click.ClickException():
            return _said(error.format_message(), error.exit_code)
        case TidegateError():
            return _said("\n".join([str(error), *_notes(error)]), error.exit_status)
    raise error


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def _said(message: str, status: int) -> int:
    print(f"tidegate: {message}", file=sys.stderr)
    return status
