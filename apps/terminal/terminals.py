"""A project's terminals: which there are, what was typed, where the next command starts."""

import asyncio
import itertools
import secrets
from typing import Final

from msgspec.structs import replace

from apps.terminal.command import Terminal, TerminalState, Typed
from apps.terminal.errors import ConflictError, NotFoundError
from apps.terminal.projects import is_id
from apps.terminal.records import Records
from tidegate.clock import SYSTEM, Clock, at

MOST_TERMINALS: Final = 32
# Commands of a terminal's history that are kept.
HISTORY: Final = 500
HISTORY_BYTES: Final = 128 * 1024


class Terminals:
    """The terminals of all projects."""

    def __init__(self, records: Records, clock: Clock = SYSTEM) -> None:
        self._records = records
        self._clock = clock

    async def create(self, project: str) -> Terminal:
        """A new terminal of `project`.

        Raises:
            ConflictError: The project has 32 already.
        """
        others = await self.of(project)
        if len(others) >= MOST_TERMINALS:
            raise ConflictError(f"expected at most {MOST_TERMINALS} terminals, found {len(others)}")
        terminal = Terminal(
            id=secrets.token_hex(4),
            title=_free_title({other.title for other in others}),
            created_at=at(self._clock.now()),
        )
        await self._records.create(_key(project, terminal.id), terminal)
        return terminal

    async def of(self, project: str) -> list[Terminal]:
        """The terminals of `project`, the oldest first."""
        found = await self._records.read_all(_folder(project), Terminal)
        return sorted(found.values(), key=lambda each: each.created_at)

    async def get(self, project: str, terminal: str) -> Terminal:
        """That terminal.

        Raises:
            NotFoundError: There is none.
        """
        found = None
        if is_id(terminal):
            found = await self._records.read(_key(project, terminal), Terminal)
        if found is None:
            raise NotFoundError(f"no terminal {terminal[:40]!r} in this project; it was closed")
        return found

    async def typed(self, project: str, terminal: str, line: Typed, size: tuple[int, int]) -> None:
        """Add `line` to a terminal's history and note the size of its screen."""
        columns, rows = size

        def added(found: Terminal | None) -> Terminal:
            if found is None:
                raise NotFoundError(f"no terminal {terminal[:40]!r} in this project; it was closed")
            others = tuple(each for each in found.typed if each.job != line.job)
            return replace(found, typed=_newest((*others, line)), columns=columns, rows=rows)

        await self._records.change(_key(project, terminal), Terminal, added)

    async def delete(self, project: str, terminal: str) -> None:
        """Forget a terminal; nothing happens where it is gone."""
        await self._records.delete(_key(project, terminal))
        await self._records.delete(_state_key(project, terminal))

    async def delete_all(self, project: str) -> None:
        """Forget every terminal of `project`."""
        terminals = await self.of(project)
        await asyncio.gather(*(self.delete(project, terminal.id) for terminal in terminals))

    async def states(self, project: str) -> dict[str, TerminalState]:
        """Where the next command of each terminal starts, by terminal."""
        return await self._records.read_all(f"terminal/states/{project}", TerminalState)

    async def state(self, project: str, terminal: str) -> TerminalState:
        """Where the terminal's next command starts."""
        found = await self._records.read(_state_key(project, terminal), TerminalState)
        return found or TerminalState()

    async def save_state(self, project: str, terminal: str, state: TerminalState) -> None:
        """Keep where the terminal's next command starts.

        Nothing is kept for a terminal that has been closed meanwhile.
        """
        if await self._records.exists(_key(project, terminal)):
            await self._records.change(
                _state_key(project, terminal), TerminalState, lambda _: state
            )


def _free_title(taken: set[str]) -> str:
    return next(title for n in itertools.count(1) if (title := f"Terminal {n}") not in taken)


def _newest(typed: tuple[Typed, ...]) -> tuple[Typed, ...]:
    """The newest lines that fit, the last one in any case."""
    room = HISTORY_BYTES
    kept: list[Typed] = []
    for line in reversed(typed[-HISTORY:]):
        room -= len(line.command)
        if kept and room < 0:
            break
        kept.append(line)
    return tuple(reversed(kept))


def _folder(project: str) -> str:
    return f"terminal/terminals/{project}"


def _key(project: str, terminal: str) -> str:
    return f"{_folder(project)}/{terminal}"


def _state_key(project: str, terminal: str) -> str:
    return f"terminal/states/{project}/{terminal}"
