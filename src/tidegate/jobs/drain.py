"""Whether a worker is on its way out, and how long its running jobs still have."""

import asyncio

from tidegate.clock import SYSTEM, Clock


class Drain:
    """Begun once, hurried once.

    Attributes:
        begun: Set when the worker has been told to stop.
        hurried: Set when it has been told twice: hand back what runs now.
    """

    def __init__(self, budget: float, clock: Clock = SYSTEM) -> None:
        self.begun = asyncio.Event()
        self.hurried = asyncio.Event()
        self._budget = budget
        self._clock = clock
        self._until: float | None = None

    def begin(self) -> None:
        """Begin; a second call hurries."""
        if self._until is not None:
            self.hurried.set()
            return
        self._until = self._clock.monotonic() + self._budget
        self.begun.set()

    @property
    def is_on(self) -> bool:
        """Whether it has begun."""
        return self._until is not None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until running jobs are handed back; None before it has begun."""
        if self._until is None:
            return None
        return 0.0 if self.hurried.is_set() else max(0.0, self._until - self._clock.monotonic())
