"""A cgroup for one command, where this process may make one: memory and processes, both versions.

A container usually may not (its cgroup files are read-only, ECS Fargate included); memory is then
watched and processes are counted per user.
"""

import contextlib
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from apps.terminal.sandbox.limits import Limits

CONTROLLERS = ("memory", "pids")
PREFIX = "tidegate-command-"


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The folders of one command's cgroup; one for version 2, one for each controller before.

    Attributes:
        folders: Controller to folder.
        unified: Version 2.
    """

    folders: Mapping[str, Path]
    unified: bool

    @classmethod
    def create(cls, parents: Mapping[str, Path], limits: Limits) -> Self:
        """Make a cgroup below `parents` with `limits`.

        Raises:
            OSError: It cannot be made here; nothing is left behind.
        """
        name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        folders = {controller: parent / name for controller, parent in parents.items()}
        cgroup = cls(folders, unified=len(set(folders.values())) == 1)
        try:
            for folder in set(folders.values()):
                folder.mkdir()
            for file, value in settings(limits, unified=cgroup.unified).items():
                (folders[file.partition(".")[0]] / file).write_text(value)
        except OSError:
            cgroup.remove()
            raise
        return cgroup

    @property
    def members(self) -> list[Path]:
        """Where a process writes its id to join."""
        return [folder / "cgroup.procs" for folder in set(self.folders.values())]

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended a process for want of memory."""
        file = "memory.events" if self.unified else "memory.oom_control"
        try:
            lines = (self.folders["memory"] / file).read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line.split()[1] != "0" for line in lines)

    def end(self) -> None:
        """Kill every process in it; one that is not listed any more has ended."""
        while pids := self._pids():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _pids(self) -> list[int]:
        try:
            return [int(pid) for pid in self.members[0].read_text().split()]
        except OSError:
            return []

    def remove(self) -> None:
        """Remove it, once empty; a cgroup that still holds a process stays."""
        for folder in set(self.folders.values()):
            with contextlib.suppress(OSError):
                folder.rmdir()


def settings(limits: Limits, *, unified: bool) -> dict[str, str]:
    """The files of a cgroup that set `limits`, and what they say."""
    memory, processes = str(limits.memory_bytes), str(limits.processes)
    if unified:
        return {"memory.max": memory, "memory.oom.group": "1", "pids.max": processes}
    return {"memory.limit_in_bytes": memory, "pids.max": processes}


def parents() -> dict[str, Path]:
    """Where this process may make cgroups, by controller; empty where it may not."""
    try:
        found = own_folders(
            Path("/proc/self/cgroup").read_text(), Path("/proc/self/mountinfo").read_text()
        )
        Cgroup.create(found, Limits()).remove()
        _sweep(set(found.values()))
    except (OSError, KeyError):
        return {}
    return found


def _sweep(folders: set[Path]) -> None:
    """Remove the cgroups of workers that were killed."""
    for folder in folders:
        for left in folder.glob(f"{PREFIX}*"):
            owner = left.name.removeprefix(PREFIX).partition("-")[0]
            if not Path(f"/proc/{owner}").exists():
                with contextlib.suppress(OSError):
                    left.rmdir()


def own_folders(cgroups: str, mounts: str) -> dict[str, Path]:
    """This process's cgroup for each controller.

    Args:
        cgroups: /proc/self/cgroup.
        mounts: /proc/self/mountinfo.

    Raises:
        KeyError: A controller is not mounted.
    """
    mounted = _mounted(mounts)
    paths = dict(_paths(cgroups))
    unified = not all(controller in mounted for controller in CONTROLLERS)
    return {
        controller: mounted["unified" if unified else controller]
        / paths["" if unified else controller].lstrip("/")
        for controller in CONTROLLERS
    }


def _mounted(mounts: str) -> dict[str, Path]:
    found = {}
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            found["unified"] = Path(before.split()[4])
        elif kind == "cgroup":
            found.update(dict.fromkeys(options.split(","), Path(before.split()[4])))
    return found


def _paths(cgroups: str) -> list[tuple[str, str]]:
    lines = (line.split(":", 2) for line in cgroups.splitlines())
    return [(name, path) for _, names, path in lines for name in names.split(",")]
