"""What one command may use."""

from msgspec import Struct
from msgspec.structs import asdict

from tidegate.errors import UsageError

MIB = 1024 * 1024


class LimitError(UsageError):
    """A limit is zero or negative.

    Attributes:
        limit: Its name.
        found: The value given.
    """

    code = "wrong_limit"

    def __init__(self, limit: str, found: float) -> None:
        super().__init__(f"expected {limit} to be above zero, found {found:g}; raise it")
        self.limit = limit
        self.found = found


class Limits(Struct, frozen=True, kw_only=True):
    """The most that one command may use; the defaults suit a task of 0.5 vCPU and 1 GB.

    Attributes:
        timeout: Seconds on the wall clock, after which everything it started is ended.
        cpu_seconds: Processor seconds of each process.
        memory_bytes: Memory of all its processes together; a cgroup's where there is one, else
            watched, because a limit on addresses instead of memory would keep node from starting.
        processes: Processes and threads. Without a cgroup, all commands of a project count
            together; without a user of its own for the project, unlimited.
        open_files: Descriptors of each process.
        file_bytes: Size of each file it writes.
        disk_bytes: Space that the workspace and its temporary files take together. A workspace
            that is already over this may be worked in, to make room, but may not grow.
        output_bytes: Output that is passed on; what follows is read and thrown away, with a marker
            in its place.
    """

    timeout: float = 600.0
    cpu_seconds: int = 600
    memory_bytes: int = 512 * MIB
    processes: int = 256
    open_files: int = 4096
    file_bytes: int = 1024 * MIB
    disk_bytes: int = 2048 * MIB
    output_bytes: int = 8 * MIB

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value <= 0:
                raise LimitError(name, value)
