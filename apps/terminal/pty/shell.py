"""The shell that runs one command line, and tells its folder and variables when it leaves.

The command line is evaluated by the shell itself, not by a child, so that `cd` and `export` last.
The report runs both after it and in the EXIT trap: the trap covers `exit` and ctrl-C, the other
covers a command that sets a trap of its own. After `exec` or SIGKILL there is none, and what the
terminal carried before stays.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from apps.terminal.pty.carry import CAPTURE_BYTES

# bash takes any descriptor, other shells one digit; a command may use the low ones for itself.
BASH_REPORT, SH_REPORT = 199, 9
F_ADD_SEALS, F_SEAL_SIZE = 1033, 0x0002 | 0x0004

SCRIPT = (
    "__leave() {{ {{ printf '%s\\0' \"$(pwd -P)\"; {env} -0 && printf '=\\0'; }}"
    " 2>/dev/null >&{fd}; }};"
    " trap __leave EXIT;"
    ' eval "$1"; set -- "$?"; __leave; exec {fd}>&-; exit "$1"'
)


def report_descriptor(shell: str) -> int:
    """The descriptor that `shell` reports to."""
    return BASH_REPORT if Path(shell).name == "bash" else SH_REPORT


def shell_line(shell: str, command: str) -> list[str]:
    """The arguments that have `shell` run the command line `command`."""
    env = shutil.which("env") or "/usr/bin/env"
    script = SCRIPT.format(env=env, fd=report_descriptor(shell))
    return [shell, "-c", script, Path(shell).name, command]


def report_file() -> int:
    """A file for the shell's report, which it cannot make larger."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    descriptor = os.memfd_create("report", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    os.truncate(descriptor, CAPTURE_BYTES)
    fcntl.fcntl(descriptor, F_ADD_SEALS, F_SEAL_SIZE)
    return descriptor
