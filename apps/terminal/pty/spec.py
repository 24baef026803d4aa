"""What one command is: its line, its place, and what it may use."""

from pathlib import Path

from msgspec import Struct

from apps.terminal.pty.carry import Carried
from apps.terminal.sandbox import Identity, Limits
from tidegate.errors import UsageError

COMMAND_BYTES = 64 * 1024


class CommandError(UsageError):
    """A command line that cannot be run as it is."""

    code = "wrong_command"


class CommandTooLongError(CommandError):
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


class CommandTextError(CommandError):
    """A command line holds what no program can be given."""

    code = "command_text"

    def __init__(self) -> None:
        super().__init__(
            "expected a command of Unicode text without NUL; write other bytes as \\x.."
        )


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
        try:
            encoded = self.command.encode()
        except UnicodeEncodeError:
            raise CommandTextError from None
        if b"\0" in encoded:
            raise CommandTextError
        if len(encoded) > COMMAND_BYTES:
            raise CommandTooLongError(len(encoded))
