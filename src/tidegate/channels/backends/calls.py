"""The one way channel code calls the server-side functions: time, name and errors in order."""

from collections.abc import Callable
from typing import Final

from tidegate.channels.event import checked_name
from tidegate.connections.link import Argument, Reply, ReplyError
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError

STALE: Final = "STALE"
"""How the server refuses an append of an attempt whose lease has passed."""

TOO_MANY_KEYS: Final = "KEYS"
"""How it refuses one more idempotency key."""


class ChannelCalls:
    """Calls functions of `valkey.lua`, at `now` where a test holds the time."""

    def __init__(self, valkey: Valkey, now: Callable[[], float] | None = None) -> None:
        self.valkey = valkey
        self._now = now

    async def of(self, channel: str, function: str, *args: Argument) -> Reply:
        """The reply of a function about one channel.

        Raises:
            ChannelError: No channel name.
            ReplyError: One of the two refusals above.
            BackendUnavailableError: Valkey did not answer, or refused for a reason of its own.
        """
        return await self.plain(function, checked_name(channel), *args)

    async def plain(self, function: str, *args: Argument) -> Reply:
        """The reply of a function about all channels; raises as `of`."""
        now = "" if self._now is None else round(self._now() * 1000)
        try:
            return await self.valkey.fcall(function, now, *args)
        except ReplyError as refusal:
            if str(refusal).startswith((STALE, TOO_MANY_KEYS)):
                raise
            raise BackendUnavailableError(f"Valkey refused {function}: {refusal}") from refusal
