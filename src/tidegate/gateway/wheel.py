"""One timer for all connections: each is looked at once a turn, spread over the turn's seconds."""

from collections.abc import Callable
from typing import Final, Protocol

TURN: Final = 25
"""Seconds between two pings of one connection."""

PATIENCE: Final = 10
"""Seconds that a pong, or the first command, may take."""


class Spoke(Protocol):
    """A connection, as the wheel knows it."""

    def ping(self) -> None:
        """Ask the client for a sign of life."""
        ...

    def check(self) -> None:
        """Judge the client by the signs it has given since `ping`."""
        ...


class Wheel:
    """Whose turn it is to be pinged, each 25 s, or to be checked, 10 s later."""

    def __init__(self) -> None:
        self._slots: list[dict[Spoke, None]] = [{} for _ in range(TURN)]
        self._now = 0

    def add(self, spoke: Spoke) -> int:
        """Take up a spoke that has just come; the slot to `remove` it from.

        It is checked first, after 10 s, and pinged 15 s after that.
        """
        slot = (self._now - 1) % TURN
        self._slots[slot][spoke] = None
        return slot

    def remove(self, spoke: Spoke, slot: int) -> None:
        """Forget a spoke; again does nothing."""
        self._slots[slot].pop(spoke, None)

    def tick(self) -> list[Callable[[], None]]:
        """What is to be called now that one more second has passed."""
        self._now = (self._now + 1) % TURN
        checked = self._slots[(self._now - PATIENCE) % TURN]
        pinged = self._slots[self._now]
        return [*(spoke.check for spoke in checked), *(spoke.ping for spoke in pinged)]
