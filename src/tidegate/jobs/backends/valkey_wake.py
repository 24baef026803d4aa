"""Sleeping until Valkey has something to do, without polling.

A wake key is a sorted set that holds a marker while there may be something to claim. Whoever pops
it must look, and puts it back if it leaves something behind: one worker is woken at a time, and a
marker stays until it is popped, so nothing that happens between looking and sleeping is missed.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from tidegate.connections.link import Link, Reply, open_link, packed
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError

_SLACK: Final = 5.0  # how late the server may answer before its connection counts as dead
_RETRY: Final = 0.05


class _Sleeper(NamedTuple):
    """A connection that does nothing but block, and the id by which to unblock it."""

    link: Link
    client_id: int


class WakeKeys:
    """Waits on wake keys, each on a connection of its own; connections are kept for the next."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._idle: list[_Sleeper] = []
        self._withdrawals: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close all connections, after putting back markers popped for nobody."""
        while self._withdrawals:
            await asyncio.wait(self._withdrawals)
        for sleeper in self._idle:
            sleeper.link.close()
        self._idle.clear()

    async def pop(self, names: Sequence[str], seconds: float) -> str | None:
        """The marker popped from the first of these keys that has one; None after `seconds`.

        Cancelling it puts back a marker that was popped meanwhile.

        Raises:
            BackendUnavailableError: The connection broke; a marker may have been popped.
        """
        if seconds <= 0:
            return None  # to the server, 0 means for ever
        keys = [self._valkey.prefix + name for name in names]
        sleeper = await self._sleeper()
        reply = sleeper.link.send(packed("BZPOPMIN", *keys, f"{seconds:.3f}"))
        try:
            async with asyncio.timeout(seconds + _SLACK):
                popped = await asyncio.shield(reply)
        except TimeoutError as error:
            sleeper.link.close()
            raise BackendUnavailableError("Valkey did not end a blocking read") from error
        except asyncio.CancelledError:
            self._withdraw(sleeper, reply)
            raise
        self._idle.append(sleeper)
        return None if popped is None else popped[1].decode()

    async def _sleeper(self) -> _Sleeper:
        while self._idle:
            sleeper = self._idle.pop()
            if sleeper.link.is_open:
                return sleeper
        link = await open_link(self._valkey.address, name="tidegate-wait")
        return _Sleeper(link, await link.send(packed("CLIENT", "ID")))

    def _withdraw(self, sleeper: _Sleeper, reply: "asyncio.Future[Reply]") -> None:
        task = asyncio.create_task(self._withdrawn(sleeper, reply), name="valkey-unblock")
        self._withdrawals.add(task)
        task.add_done_callback(self._withdrawals.discard)

    async def _withdrawn(self, sleeper: _Sleeper, reply: "asyncio.Future[Reply]") -> None:
        with suppress(BackendUnavailableError):
            while not reply.done():
                # The request to block may still be on its way, hence more than once.
                await self._valkey.call("CLIENT", "UNBLOCK", sleeper.client_id)
                await asyncio.wait({reply}, timeout=_RETRY)
            popped = reply.result()
            if popped is not None:
                await self._valkey.call("ZADD", popped[0], 0, popped[1])
            self._idle.append(sleeper)
