"""How large a project may be."""

from msgspec import Struct

MIB = 1024 * 1024


class ProjectLimits(Struct, frozen=True, kw_only=True):
    """The most that a project may hold; over a limit it may still shrink.

    Attributes:
        file_bytes: Size of one file.
        total_bytes: Size of all files together.
        files: How many files, links included.
    """

    file_bytes: int = 50 * MIB
    total_bytes: int = 500 * MIB
    files: int = 20_000


DEFAULT_LIMITS = ProjectLimits()
