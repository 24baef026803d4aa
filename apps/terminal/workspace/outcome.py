"""What fetching, saving and editing have come to."""

from msgspec import Struct

from apps.terminal.workspace.merge import Conflict
from apps.terminal.workspace.scan import Skipped


class Saved(Struct, frozen=True, kw_only=True):
    """What a save, or an edit, has come to.

    Attributes:
        commit: The project's newest commit now.
        changed: Paths whose content others see changed.
        removed: Paths that are gone for others.
        conflicts: Paths that others had changed as well, and where our version is.
        skipped: Paths that were not saved, and why.
    """

    commit: int
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class Fetched(Struct, frozen=True, kw_only=True):
    """What a fetch has done.

    Attributes:
        commit: The commit the folder shows.
        written: Files written.
        removed: Files removed.
        left: Paths left as they are, because someone has changed them here; `save` merges them.
    """

    commit: int
    written: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()
