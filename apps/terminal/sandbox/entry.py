"""The way into the sandbox: one command's guard, with all it needs to know and hold."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from msgspec import Struct

from apps.terminal.sandbox.cgroup import Cgroup
from apps.terminal.sandbox.identity import Identity
from apps.terminal.sandbox.limits import Limits
from tidegate.launchers import orders

OWN_FOLDER = str(Path(__file__).resolve().parent)


class Means(Struct, frozen=True, kw_only=True):
    """What there is on this machine to hold a command with; the least by default.

    Attributes:
        uids: Users that commands may become.
        filter_program: Of system calls; empty for none.
        landlock: The kernel's version; 0 for none.
        readable: Where something is hidden, all that may be read besides the workspace.
        writable: What may be written besides the workspace, where Landlock decides.
        cgroups: Where cgroups can be made, by controller; empty where they cannot.
    """

    uids: tuple[int, ...] = ()
    filter_program: bytes = b""
    landlock: int = 0
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    cgroups: Mapping[str, str] = {}


class Entry:
    """One command's way in, used as a context: it owns two descriptors and perhaps a cgroup.

    Args:
        means: What to hold the command with.
        identity: Who it is.
        limits: What it may use.
        home: Its home folder, the workspace.
        cwd: Where it starts; the home if that is gone.
        environment: Its whole environment.

    Raises:
        OSError: No descriptor, or no cgroup, to be had.
    """

    def __init__(
        self,
        means: Means,
        identity: Identity,
        limits: Limits,
        *,
        home: Path,
        cwd: str,
        environment: Mapping[str, str],
    ) -> None:
        self._means = means
        self._identity = identity
        self._limits = limits
        self._home = home
        self._cwd = cwd
        self._environment = {"HOME": str(home), **environment}
        self.cgroup: Cgroup | None = None
        self.descriptors: tuple[int, ...] = ()

    def __enter__(self) -> Self:
        parents = {name: Path(path) for name, path in self._means.cgroups.items()}
        self.cgroup = Cgroup.create(parents, self._limits) if parents else None
        entries = (f"{name}={value}" for name, value in self._environment.items())
        environment = b"\0".join(map(os.fsencode, entries))
        self.descriptors = (held(environment), held(self._means.filter_program))
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors = ()
        if self.cgroup is not None:
            self.cgroup.remove()

    def command(
        self,
        argv: Sequence[str],
        status: int,
        control: int,
        *,
        ready: int | None = None,
        keep: Mapping[int, int] | None = None,
        tty: bool = True,
    ) -> list[str]:
        """The command line that runs `argv` in the sandbox, under a reaper.

        Start it with an empty environment and `descriptors`, `status` and `control` inherited.

        Args:
            argv: The command, by absolute path.
            status: As for `orders.command`.
            control: As for `orders.command`.
            ready: Inheritable descriptor that gets a byte once the command can be typed to.
            keep: Descriptors that the command gets, and their numbers there.
            tty: Whether its standard input is a terminal, to become its controlling one.
        """
        return orders.command(
            argv,
            status=status,
            control=control,
            orphan_timeout=0.5,
            memory_bytes=None if self.cgroup else self._limits.memory_bytes,
            entry="guard",
            folders=[OWN_FOLDER],
            options=self._options(ready, keep or {}, tty=tty),
        )

    def _options(self, ready: int | None, keep: Mapping[int, int], *, tty: bool) -> list[str]:
        environment, filter_program = self.descriptors
        options = [f"--env={environment}", f"--cwd={self._cwd}"]
        options += [f"--keep={ours}:{theirs}" for ours, theirs in keep.items()]
        options += [f"--limit={limit}" for limit in self._resource_limits()]
        if ready is not None:
            options.append(f"--ready={ready}")
        if tty:
            options.append("--tty=0")
        if self._identity.uid is not None:
            options.append(f"--uid={self._identity.uid}")
        if self._means.filter_program:
            options.append(f"--seccomp={filter_program}")
        if self.cgroup is not None:
            options += [f"--join={file}" for file in self.cgroup.members]
        return options + self._file_options()

    def _file_options(self) -> list[str]:
        if not self._means.landlock:
            return []
        return [
            f"--landlock={self._means.landlock}",
            *(f"--own={path}" for path in (self._home, self._identity.scratch)),
            *(f"--write={path}" for path in self._means.writable),
            *(f"--read={path}" for path in self._means.readable),
        ]

    def _resource_limits(self) -> list[str]:
        limits = self._limits
        found = {
            "CORE": 0,
            "CPU": limits.cpu_seconds + 1,
            "FSIZE": limits.file_bytes,
            "NOFILE": limits.open_files,
        }
        if self._identity.uid is not None:
            found["NPROC"] = limits.processes
        return [f"{name}:{value}" for name, value in found.items()]


def held(data: bytes) -> int:
    """A descriptor of a file that holds `data` and has no name; the caller closes it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("held")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.pwrite(descriptor, data, 0)
    return descriptor
