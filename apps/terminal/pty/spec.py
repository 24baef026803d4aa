"""What one command is: its line, its place, and what it may use."""

from pathlib import Path

from msgspec import Struct

from apps.terminal.pty.carry import Carried
from apps.terminal.sandbox import Identity, Limits
from tidegate.errors import UsageError

COMMAND_BYTES = 64 * 1024


class CommandTooLongError(UsageError):
    """A command line is longer than a program's arguments may be.

    Attributes:
        length: Its bytes.
    """

    code = "command_too_long"

    def __init__(self, length: int) -> None:
        super().__init__(
            f"expected a command of at most {COMMAND_BYTES} bytes, found {length}; "
            "put it in a file and run that"
        )
        self.length = length


class CommandSpec(Struct, frozen=True, kw_only=True):
    """What to run, where, as whom, and within what.

    Attributes:
        command: A line for the shell; may have several lines itself.
        workspace: The home folder, and where a new terminal starts.
        identity: Who runs it; from `Sandbox.lease`.
        limits: What it may use.
        carried: Where the terminal's last command left off.
        cols: Width of the terminal.
        rows: Height of the terminal.
    """

    command: str
    workspace: Path
    identity: Identity
    limits: Limits = Limits()
    carried: Carried = Carried()
    cols: int = 80
    rows: int = 24

    def __post_init__(self) -> None:
        length = len(self.command.encode())
        if length > COMMAND_BYTES:
            raise CommandTooLongError(length)
