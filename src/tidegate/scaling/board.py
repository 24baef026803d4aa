"""Where the orchestrator posts what it sees and decides, and others read it."""

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from tidegate.channels.backend import ChannelBackend
from tidegate.connections.valkey import Valkey
from tidegate.scaling.status import CHANNEL, Status, differs

DECISIONS_KEPT: Final = 500
"""Decisions kept of each worker; the oldest make room for new ones."""


class Recorded(Struct, frozen=True, kw_only=True):
    """One decision, as it is kept.

    Attributes:
        at: Seconds since the epoch.
        depth: Jobs that wanted or held a slot.
        tasks: Tasks that ran or were starting.
        desired: Tasks wanted.
        started: Tasks started then.
        reason: How the policy came to it.
    """

    at: float
    depth: int
    tasks: int
    desired: int
    started: int
    reason: str


class Board:
    """Posts statuses and decisions of an app.

    Args:
        valkey: Where the latest status of each worker and the decisions are kept.
        channels: Where statuses are published.
    """

    def __init__(self, valkey: Valkey, channels: ChannelBackend) -> None:
        self._valkey = valkey
        self._channels = channels
        self._posted: dict[str, Status] = {}

    async def post(self, status: Status) -> None:
        """Publish and keep a status where it tells something new."""
        if not differs(status, self._posted.get(status.worker)):
            return
        text = msgspec.json.encode(status)
        await self._valkey.call("HSET", _status_key(self._valkey), status.worker, text)
        await self._channels.append(CHANNEL, [text])
        self._posted[status.worker] = status

    async def record(self, worker: str, decision: Recorded) -> None:
        """Keep a decision, beside the last few hundred."""
        key = _decisions_key(self._valkey, worker)
        await self._valkey.call("LPUSH", key, msgspec.json.encode(decision))
        await self._valkey.call("LTRIM", key, 0, DECISIONS_KEPT - 1)

    async def begin_anew(self, workers: Collection[str]) -> None:
        """Post everything again, and keep no status of workers other than these."""
        self._posted.clear()
        key = _status_key(self._valkey)
        kept = [name.decode() for name in await self._valkey.call("HKEYS", key)]
        if gone := [name for name in kept if name not in workers]:
            await self._valkey.call("HDEL", key, *gone)


async def statuses(valkey: Valkey) -> list[Status]:
    """The latest status of every worker, by name; nothing before an orchestrator has run."""
    stored = await valkey.call("HGETALL", _status_key(valkey))
    found = [msgspec.json.decode(text, type=Status) for text in stored.values()]
    return sorted(found, key=lambda each: each.worker)


async def decisions(valkey: Valkey, worker: str, *, limit: int = 50) -> list[Recorded]:
    """The last decisions about a worker, newest first."""
    kept = await valkey.call("LRANGE", _decisions_key(valkey, worker), 0, limit - 1)
    return [msgspec.json.decode(text, type=Recorded) for text in kept]


def _status_key(valkey: Valkey) -> str:
    return f"{valkey.prefix}status"


def _decisions_key(valkey: Valkey, worker: str) -> str:
    return f"{valkey.prefix}decisions:{worker}"
