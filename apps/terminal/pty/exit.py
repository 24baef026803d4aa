"""How a command ended."""

from msgspec import Struct

from apps.terminal.pty.carry import Carried

BY_SIGNAL = {"XCPU": "cpu", "XFSZ": "file_size"}


class Exit(Struct, frozen=True, kw_only=True):
    """How a command ended.

    Attributes:
        code: As a shell shows it, 128 + n after signal n; None if nobody was left to tell.
        signal: Name of the signal that ended it, without SIG.
        reason: Why it was ended, if it did not end by itself: timeout, memory, disk, cpu,
            file_size, exec (it could not be started), lost (its guard died), or what `kill` said.
        detail: More on the reason, for people; may be empty.
        duration: Seconds it ran.
        ended: Processes it left in the background, which ended with it.
        carried: What the next command of the terminal starts with.
    """

    code: int | None
    signal: str | None
    reason: str | None
    detail: str
    duration: float
    ended: int
    carried: Carried

    @property
    def cwd(self) -> str:
        """Folder it ended in, as `Carried.cwd`."""
        return self.carried.cwd

    @property
    def env(self) -> dict[str, str | None]:
        """Variables it exported, as `Carried.exported`."""
        return self.carried.exported


class Record(Struct, frozen=True):
    """The exit record of a reaper."""

    code: int | None = None
    signal: str | None = None
    reason: str = "lost"
    detail: str = ""
    ended: int = 0

    @property
    def own_reason(self) -> str | None:
        """Why it ended, as far as the reaper knows; None if the command ended by itself."""
        if self.reason in {"exited", "signalled"}:
            return BY_SIGNAL.get(self.signal or "")
        return self.reason
