"""How many jobs a worker asks for, and when it sends what it has settled. Pure.

A worker asks for as many jobs as it has free slots. Where jobs end faster than a round trip to the
server takes, it would idle between two answers, so it asks for a few more: as many as it finishes
within `HORIZON`. They are leased and renewed like running ones, and handed back on drain.
"""

from typing import Final

HORIZON: Final = 0.006
LARGEST_BUFFER: Final = 240
LARGEST_BATCH: Final = 100
_MEMORY: Final = 0.3


class Pace:
    """A running estimate of jobs finished per second, and what follows from it.

    Attributes:
        rate: Jobs per second, weighted towards the last few exchanges.
        buffer: Jobs to hold beyond the slots.
        batch: Settlements worth waiting for while buffered jobs keep the slots busy.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self.rested()

    def finished(self, count: int, now: float) -> None:
        """Take note that `count` jobs were finished by `now` (monotonic seconds)."""
        if self._since is not None and now > self._since:
            latest = count / (now - self._since)
            self._set_rate(self.rate + _MEMORY * (latest - self.rate))
        self._since = now

    def rested(self) -> None:
        """Begin anew: what comes next may be jobs of another kind."""
        self._set_rate(0.0)
        self._since = None

    def _set_rate(self, rate: float) -> None:
        self.rate = rate
        self.buffer = min(LARGEST_BUFFER, int(rate * HORIZON))
        self.batch = min(LARGEST_BATCH, max(1, self.buffer // 2))


def room(slots: int, buffer: int, held: int) -> int:
    """Jobs to ask for, given those held already, running or buffered."""
    return max(0, slots + buffer - held)
