"""What a supervisor says to a reaper: the command line, and orders on the control pipe.

Loaded by the reaper itself, so it imports little; see `reaper.py` for what the words mean.
"""

# ruff: noqa: PTH100, PTH120 - pathlib takes longer to import than all of this

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence


class Options:
    """What the command line of the reaper says."""

    __slots__ = ("control", "memory", "orphan_timeout", "status", "stop_timeout")

    def __init__(
        self,
        *,
        status: int | None = None,
        control: int | None = None,
        stop_timeout: float = 30.0,
        orphan_timeout: float = 5.0,
        memory: int | None = None,
    ) -> None:
        self.status = status
        self.control = control
        self.stop_timeout = stop_timeout
        self.orphan_timeout = orphan_timeout
        self.memory = memory


class Step:
    """Send `number` to the program, or to everything if `everyone`, then wait `seconds`."""

    __slots__ = ("everyone", "number", "seconds")

    def __init__(self, number: int, seconds: float, *, everyone: bool = False) -> None:
        self.number = number
        self.seconds = seconds
        self.everyone = everyone


def command(
    argv: Sequence[str],
    *,
    status: int,
    control: int,
    stop_timeout: float = 30.0,
    orphan_timeout: float = 5.0,
    memory_bytes: int | None = None,
    entry: str = "reaper",
    folders: Sequence[str] = (),
    options: Sequence[str] = (),
) -> list[str]:
    """The command line that runs `argv` under a reaper.

    Args:
        argv: The program and its arguments; looked up on the PATH of the reaper's environment.
        status: Inheritable descriptor that gets the exit record, then closes.
        control: Inheritable read end of the control pipe; its write end belongs to the supervisor
            alone, because the tree is ended when the last copy closes.
        stop_timeout: Seconds between SIGTERM to the reaper and SIGKILL to the tree.
        orphan_timeout: The same once the control pipe has closed.
        memory_bytes: End the tree, exit status 137, when it holds more than this together.
        entry: Module with a `main(arguments)`, for a reaper that prepares the child itself.
        folders: Where to find `entry` and what it imports, besides this folder.
        options: What `entry` is told besides, each `--name=value`.
    """
    path = [os.path.dirname(os.path.abspath(__file__)), *folders]
    start = f"import sys; sys.path += {path!r}; import {entry}; {entry}.main(sys.argv[1:])"
    own = [f"--status={status}", f"--control={control}"]
    own += [f"--stop-timeout={stop_timeout}", f"--orphan-timeout={orphan_timeout}"]
    if memory_bytes is not None:
        own.append(f"--memory={memory_bytes}")
    return [sys.executable, "-I", "-S", "-c", start, *own, *options, "--", *argv]


def stop_order(reason: str, *steps: Step) -> bytes:
    """The order that stops the program for `reason` (one word), by `steps` and then SIGKILL."""
    return f"stop {reason} {' '.join(map(_spelled, steps))}\n".encode()


def signal_order(number: int) -> bytes:
    """The order that sends signal `number` to the program."""
    return f"signal {int(number)}\n".encode()


def _spelled(step: Step) -> str:
    everyone = ":all" if step.everyone else ""
    return f"{signal.Signals(step.number).name[3:]}:{step.seconds:g}{everyone}"


def parsed_arguments(arguments: Sequence[str]) -> tuple[Options, list[str], dict[str, list[str]]]:
    """The reaper's options, the program to run, and options meant for someone else."""
    cut = list(arguments).index("--")
    options = Options()
    others: dict[str, list[str]] = {}
    for argument in arguments[:cut]:
        name, _, value = argument.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        if name in {"status", "control", "memory"}:
            setattr(options, name, int(value))
        elif name in {"stop_timeout", "orphan_timeout"}:
            setattr(options, name, float(value))
        else:
            others.setdefault(name, []).append(value)
    return options, list(arguments[cut + 1 :]), others


def parsed_step(text: str) -> Step:
    """The step that `SIGNAL:SECONDS` or `SIGNAL:SECONDS:all` spells."""
    name, seconds, *scope = text.split(":")
    return Step(getattr(signal, f"SIG{name}"), float(seconds), everyone=scope == ["all"])


def exit_of(status: int) -> tuple[int, str | None]:
    """The exit code a shell would show for a wait status, and the name of the signal if any."""
    code = os.waitstatus_to_exitcode(status)
    return (code, None) if code >= 0 else (128 - code, signal.Signals(-code).name[3:])
