"""One command in a pseudo-terminal: its output, its input, and how it ended."""

from apps.terminal.pty.carry import Carried
from apps.terminal.pty.command import PtyCommand
from apps.terminal.pty.exit import Exit
from apps.terminal.pty.spec import (
    CommandError,
    CommandSpec,
    CommandTextError,
    CommandTooLongError,
)
from apps.terminal.pty.tty import InputFullError
from apps.terminal.pty.utf8 import Utf8Splitter

__all__ = [
    "Carried",
    "CommandError",
    "CommandSpec",
    "CommandTextError",
    "CommandTooLongError",
    "Exit",
    "InputFullError",
    "PtyCommand",
    "Utf8Splitter",
]
