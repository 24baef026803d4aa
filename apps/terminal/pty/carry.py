"""What carries over from one command of a terminal to the next: its folder and exported variables.

The shell writes both, when it leaves, to a descriptor of its own; they never pass through the
output. What it writes is the command's word, so it is bounded and read with care.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
LAST = b"="
CAPTURE_BYTES = 256 * 1024
CARRIED_BYTES = 64 * 1024
CARRIED_NAMES = 200
# The shell's own, and what the terminal sets anew each time.
NOT_CARRIED = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL", "TERM"})


class Carried(Struct, frozen=True, omit_defaults=True):
    """What the next command of a terminal starts with; a new terminal's by default.

    Its repr hides the values: people export passwords.

    Attributes:
        cwd: Folder relative to the workspace, "" for the workspace itself; absolute outside it.
        exported: Variables the user set (to a value) or removed (None), against a new terminal's.
        workspace: Where the workspace lay then; paths in the values are moved if it lies elsewhere.
    """

    cwd: str = ""
    exported: dict[str, str | None] = {}
    workspace: str = ""

    def __repr__(self) -> str:
        return f"Carried(cwd={self.cwd!r}, exported={sorted(self.exported)})"

    def folder_in(self, workspace: str) -> str:
        """The absolute folder to start in, when the workspace lies at `workspace`."""
        return posixpath.normpath(posixpath.join(workspace, self.cwd))

    def exported_in(self, workspace: str) -> dict[str, str | None]:
        """The variables, with the paths of the workspace as it lies now."""
        if not self.workspace or self.workspace == workspace:
            return dict(self.exported)
        return {
            name: value and value.replace(self.workspace, workspace)
            for name, value in self.exported.items()
        }


def carried(written: bytes, new: Mapping[str, str], workspace: str) -> Carried | None:
    """What a shell wrote when it left; None if that is not whole, or too much to carry.

    Args:
        written: The folder, then each variable, then `=`, each ended by NUL.
        new: The environment of a new terminal.
        workspace: The folder of the workspace, without links.
    """
    entries = _whole_entries(written)
    if not entries:
        return None
    exported = dict(_changes(dict(_variables(entries[1:])), new))
    size = sum(len(name) + len(value or "") for name, value in exported.items())
    if size > CARRIED_BYTES or len(exported) > CARRIED_NAMES:
        return None
    cwd = entries[0].decode(errors="replace")
    return Carried(cwd=relative(cwd, workspace), exported=exported, workspace=workspace)


def relative(folder: str, workspace: str) -> str:
    """`folder` as `Carried.cwd` has it."""
    if folder == workspace:
        return ""
    return folder.removeprefix(f"{workspace}/")


def _whole_entries(written: bytes) -> list[bytes]:
    entries = written.split(b"\0")
    return entries[: entries.index(LAST)] if LAST in entries else []


def _variables(entries: list[bytes]) -> Iterator[tuple[str, str]]:
    for entry in entries:
        name, _, value = entry.partition(b"=")
        try:
            pair = name.decode(), value.decode()
        except UnicodeDecodeError:
            continue
        if NAME.fullmatch(pair[0]) and pair[0] not in NOT_CARRIED:
            yield pair


def _changes(now: Mapping[str, str], new: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    for name, value in now.items():
        if new.get(name) != value:
            yield name, value
    for name in new.keys() - now.keys() - NOT_CARRIED:
        yield name, None
