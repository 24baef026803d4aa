"""Every verb explains itself, and an error is one line and the right exit status."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from tidegate.cli.group import VERBS, cli, run
from tidegate.errors import DeclarationError, QueueFullError, TidegateError


def commands() -> Iterator[click.Command]:
    context = click.Context(cli)
    for verb in VERBS:
        command = cli.get_command(context, verb)
        assert command is not None, f"{verb} is listed and does not exist"
        yield command
        if isinstance(command, click.Group):
            yield from command.commands.values()


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: str(command.name))
def test_each_command_says_what_it_does_and_shows_examples(command: click.Command) -> None:
    assert command.help is not None
    assert "Examples:" in command.help


@pytest.mark.parametrize("command", list(commands()), ids=lambda command: str(command.name))
def test_what_people_read_programs_can_read_as_well(command: click.Command) -> None:
    prints_nothing = {"worker", "control", "orchestrator"}
    if isinstance(command, click.Group) or command.name in prints_nothing:
        return
    assert "--json" in {name for option in command.params for name in option.opts}


def test_help_imports_no_verb() -> None:
    script = (
        "import sys\n"
        "from tidegate.cli.group import run\n"
        "run(['--help'])\n"
        "sys.exit(any(name.startswith('tidegate.runtime') for name in sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TidegateError("it failed"), 1),
        (DeclarationError("it is wrong"), 2),
        (QueueFullError("videos", 5, 5, 1.0), 1),
        (ExceptionGroup("tasks", [TidegateError("it failed")]), 1),
    ],
)
def test_an_error_of_ours_is_a_line_and_a_status(
    error: Exception,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", fail)
    assert run(["up"]) == status
    assert capsys.readouterr().err.startswith("tidegate: ")


def test_an_error_that_is_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "main", fail)
    with pytest.raises(ZeroDivisionError):
        run(["up"])


def test_ctrl_c_is_exit_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", fail)
    assert run(["up"]) == 130


def test_a_group_without_a_verb_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["queues"]) == 2
    assert capsys.readouterr().err.startswith("Usage: tidegate queues")


def test_an_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["dance"]) == 2
    assert "No such command 'dance'" in capsys.readouterr().err
