"""The only module that reads a clock.

Deciding code takes a time as an argument; acting code takes a `Clock`, so that a test can hold it.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where acting code gets its time."""

    def now(self) -> float:
        """Seconds since the epoch, as the wall shows them."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now(self) -> float:
        """Seconds since the epoch, as the wall shows them."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        return time.monotonic()


SYSTEM = SystemClock()


def at(seconds: float) -> datetime:
    """The aware UTC time of `seconds` since the epoch."""
    return datetime.fromtimestamp(seconds, UTC)
