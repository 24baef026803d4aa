"""What holds commands where they run, for people to read.

Workers report what they find on their machine. On a laptop the service and its workers are on one
machine, so the service looks for itself and can tell before the first command.
"""

import asyncio
from pathlib import Path
from typing import Final

from msgspec import Struct

from apps.terminal.records import Records
from apps.terminal.sandbox import Layer, Sandbox

KEY: Final = "terminal/isolation"


class Report(Struct, frozen=True):
    """What the newest worker has found on its machine."""

    layers: tuple[Layer, ...] = ()


class Isolation:
    """The layers between a command and its worker.

    Args:
        records: Where workers report.
        here: Where workspaces lie if workers run on this machine; None if they do not.
    """

    def __init__(self, records: Records, here: Path | None) -> None:
        self._records = records
        self._here = here
        self._found: tuple[Layer, ...] = ()
        self._looking = asyncio.Lock()

    async def report(self, layers: tuple[Layer, ...]) -> None:
        """Keep what a worker has found."""
        await self._records.change(KEY, Report, lambda _: Report(layers))

    async def layers(self) -> tuple[Layer, ...]:
        """What there is; nothing where no worker has run a command yet and none runs here."""
        if self._here is not None:
            return await self._look(self._here)
        found = await self._records.read(KEY, Report)
        return found.layers if found else ()

    async def _look(self, folder: Path) -> tuple[Layer, ...]:
        async with self._looking:
            if not self._found:
                self._found = (await asyncio.to_thread(Sandbox.probe, folder)).layers
            return self._found
