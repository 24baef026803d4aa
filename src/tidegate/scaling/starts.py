"""When to try again after tasks have failed to start: back-off, then a circuit breaker. Pure."""

from typing import Final

from msgspec import Struct

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
OPENS_AFTER: Final = 5
"""Failures in a row after which starting is said to be stopped, with one try a minute."""


class Starts(Struct, frozen=True):
    """The starts of one kind of task that failed in a row.

    Attributes:
        failures: How many, since one last succeeded.
        retry_at: Seconds since the epoch, before which none is tried.
        reason: Why the last one failed.
    """

    failures: int = 0
    retry_at: float = 0.0
    reason: str = ""

    def failed(self, at: float, reason: str) -> "Starts":
        """After one more failure, the pause before the next try is twice as long, up to a minute.

        Failures that come in during a pause, of tasks started together, count as the one before.
        """
        if self.failures and at < self.retry_at:
            return Starts(self.failures, self.retry_at, reason)
        failures = self.failures + 1
        return Starts(failures, at + _pause(failures), reason)

    def allowed(self, wanted: int, at: float) -> int:
        """How many of `wanted` tasks to start: all, one as a trial after a failure, or none yet."""
        if not self.failures:
            return wanted
        return min(wanted, 1) if at >= self.retry_at else 0

    def in_words(self, at: float) -> str:
        """What a person who waits is told; empty where the last start succeeded."""
        if not self.failures:
            return ""
        retry = f"next try in {max(self.retry_at - at, 0):.0f} s"
        if self.failures < OPENS_AFTER:
            return f"a task failed to start ({self.reason}); {retry}"
        return f"tasks failed to start {self.failures} times in a row ({self.reason}); {retry}"


def _pause(failures: int) -> float:
    if failures >= OPENS_AFTER:
        return LONGEST_PAUSE
    return min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE)
