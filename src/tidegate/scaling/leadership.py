"""One of many replicas acts: a lease that is stored, never one that expires by itself."""

import asyncio
from contextlib import suppress
from typing import Final

from tidegate.clock import SYSTEM, Clock
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError

LEASE: Final = 3.5
"""Seconds that a leader which has died still counts as one; another follows within LEASE + 1."""


class Leadership:
    """The right to act, as one replica asks for it.

    Args:
        valkey: Where the lease is stored.
        name: What the right is to.
        owner: Who asks; unique for ever.

    Attributes:
        held: Set while this replica had the right when it last asked.
    """

    def __init__(self, valkey: Valkey, name: str, owner: str, *, clock: Clock = SYSTEM) -> None:
        self.held = asyncio.Event()
        self._valkey = valkey
        self._name = name
        self._owner = owner
        self._clock = clock
        self._asked_at = float("-inf")

    @property
    def is_sure(self) -> bool:
        """Whether no other can have the right by now: a process that was stopped may be late."""
        return self.held.is_set() and self._clock.monotonic() - self._asked_at < LEASE

    async def hold(self) -> bool:
        """Take or renew the right; False while another has it.

        Raises:
            BackendUnavailableError: No answer; ask again before relying on it.
        """
        asked_at = self._clock.monotonic()
        held = bool(await self._valkey.fcall("hold", "", self._name, self._owner, LEASE))
        if held:
            self._asked_at = asked_at
            self.held.set()
        else:
            self.held.clear()
        return held

    async def give_up(self) -> None:
        """Let another follow at once; nothing happens without the right."""
        self.held.clear()
        with suppress(BackendUnavailableError):
            await self._valkey.fcall("unhold", "", self._name, self._owner)
