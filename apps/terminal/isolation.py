"""What holds commands where they run, for people to read: workers report it, the API shows it."""

from typing import Final

from msgspec import Struct

from apps.terminal.records import Records
from apps.terminal.sandbox import Layer

KEY: Final = "terminal/isolation"


class Report(Struct, frozen=True):
    """What the newest worker has found on its machine."""

    layers: tuple[Layer, ...] = ()


async def report(records: Records, layers: tuple[Layer, ...]) -> None:
    """Keep what a worker has found."""
    await records.change(KEY, Report, lambda _: Report(layers))


async def reported(records: Records) -> tuple[Layer, ...]:
    """What the last worker found; nothing before the first command has run."""
    found = await records.read(KEY, Report)
    return found.layers if found else ()
