"""A command on its way: what the queue carries, what its end says, and what a terminal keeps."""

from datetime import datetime
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from apps.terminal.pty.carry import Carried
from tidegate import Cursor

# What a terminal may measure: enough for any screen, too little to hurt a program.
Columns = Annotated[int, Meta(ge=1, le=1000)]
Rows = Annotated[int, Meta(ge=1, le=1000)]
Line = Annotated[
    str, Meta(min_length=1, max_length=64 * 1024, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
]
Signal = Literal["INT", "TERM", "KILL"]

COLUMNS: Final = 80
ROWS: Final = 24
# What an exit says of a command whose worker could not say it; laid under every exit event.
UNKNOWN_END: Final[dict[str, object]] = {"type": "exit", "code": None}


class Command(Struct, frozen=True, kw_only=True):
    """What a worker is told to run.

    Attributes:
        command: What was typed.
        workspace: The project's own files, shared with its other commands, or a clean copy.
        input: Where the terminal's input stood when the command was typed.
    """

    project: str
    terminal: str
    command: Line
    columns: Columns = COLUMNS
    rows: Rows = ROWS
    workspace: Literal["project", "fresh"] = "project"
    input: Cursor = Cursor()


class Ended(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a command ended; its fields become those of the `exit` event.

    Attributes:
        code: What it exited with, as a shell shows it; None where nobody can tell.
        cwd: Where its shell was then, relative to the project; absolute outside it.
        duration_s: Seconds it ran.
        signal: The signal that ended it.
        reason: Why it was ended, in words, where it did not end by itself.
    """

    code: int | None
    cwd: str
    duration_s: float
    signal: str | None = None
    reason: str | None = None


class Keys(Struct, frozen=True, tag="keys"):
    """Typed text."""

    data: str


class Resize(Struct, frozen=True, tag="resize"):
    """The screen has another size."""

    cols: Columns
    rows: Rows


class Signalled(Struct, frozen=True, tag="signal"):
    """A signal for what runs; without `job`, for whatever runs then.

    INT is for what runs in the foreground, as ctrl-C is; TERM and KILL end all that the command
    started, within two seconds.
    """

    signal: Signal
    job: str | None = None


Input = Keys | Resize | Signalled


class TerminalState(Struct, frozen=True, kw_only=True):
    """What a terminal's next command starts from; written by workers only.

    Attributes:
        carried: Working directory and exported variables.
        last_exit: What the last command exited with.
        input: The last input a command has had.
    """

    carried: Carried = Carried()
    last_exit: int | None = None
    input: Cursor = Cursor()


class Typed(Struct, frozen=True):
    """A line of a terminal's history."""

    job: str
    command: str
    at: datetime


class Terminal(Struct, frozen=True, kw_only=True):
    """A terminal; written by the API only.

    Attributes:
        title: What its tab says.
        columns: Its width when the last command was typed.
        rows: Its height then.
        typed: The newest commands, the oldest first.
    """

    id: str
    title: str
    created_at: datetime
    columns: int = COLUMNS
    rows: int = ROWS
    typed: tuple[Typed, ...] = ()


def terminal_channel(project: str, terminal: str) -> str:
    """Where a terminal's events are."""
    return f"terminal:{project}:{terminal}"


def input_channel(project: str, terminal: str) -> str:
    """Where a terminal's input is."""
    return f"input:{project}:{terminal}"


def project_channel(project: str) -> str:
    """Where a project's changes are told."""
    return f"project:{project}"
