"""The programs that `tidegate up` keeps running, as one: started, awaited, changed, ended."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tidegate.errors import TidegateError
from tidegate.runtime.listener import Listener
from tidegate.runtime.programs import Program
from tidegate.runtime.supervised import Supervised

_RELOAD_WITHIN: Final = 1.0


class Crew:
    """Programs by name.

    Args:
        group: Owns a task for each program.
        logs: Folder of their logs.
        listener: Told of each that is ready or ends by itself.
        keep: Descriptors every program is given.
        retry_first: Whether to try again where one ends before it was ever ready.
        on_failure: Called when one is given up.
    """

    def __init__(
        self,
        group: asyncio.TaskGroup,
        *,
        logs: Path,
        listener: Listener,
        keep: Sequence[int],
        retry_first: bool,
        on_failure: Callable[[], None],
    ) -> None:
        self._group = group
        self._logs = logs
        self._listener = listener
        self._keep = tuple(keep)
        self._retry_first = retry_first
        self._on_failure = on_failure
        self._members: dict[str, Supervised] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}

    def start(self, program: Program) -> None:
        """Start a program, and keep it running."""
        member = self._members[program.name] = Supervised(
            program,
            log=self._logs / f"{program.name}.log",
            listener=self._listener,
            keep=self._keep,
            retry_first=self._retry_first,
        )
        name = f"run-{program.name}"
        self._runs[program.name] = self._group.create_task(self._run(member), name=name)

    async def _run(self, member: Supervised) -> None:
        await member.run()
        if member.failure is not None:
            self._on_failure()

    async def ready(self) -> None:
        """Return once every program answers."""
        for member in list(self._members.values()):
            await member.is_ready.wait()

    def restart(self, *programs: Program) -> None:
        """Run these as they now are, at once; one not yet here is started."""
        for program in programs:
            member = self._members.get(program.name)
            if member is None:
                self.start(program)
            else:
                member.program = program
                member.restart(timeout=_RELOAD_WITHIN)

    async def end_others(self, names: Sequence[str]) -> None:
        """End every program but these; returns when they are gone."""
        others = [name for name in self._members if name not in names]
        await asyncio.gather(*map(self.end, others))

    async def end(self, name: str) -> None:
        """End a program, within its stop timeout; nothing happens where it is not here."""
        member = self._members.get(name)
        if member is not None:
            member.stop()
            await asyncio.wait([self._runs[name]])
            if member.failure is None:
                del self._members[name]

    def hurry(self) -> None:
        """Give those that are ending no more time."""
        for member in self._members.values():
            member.hurry()

    def raise_failure(self) -> None:
        """Raise TidegateError if a program was given up."""
        for member in self._members.values():
            if member.failure is not None:
                raise TidegateError(
                    f"{member.failure} before it was ready; its log is {member.log}"
                )
