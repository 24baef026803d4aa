"""Who is subscribed to what, over all gateways: a hash per channel, each entry good until a time.

Nothing is decided by these entries, so they are written a little late and together: what changed
at once, and everything again every 20 s, good for 60 s. The entries of a gateway that died are
passed over after that, and deleted by whoever reads or writes the channel.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, Self

from tidegate.connections.link import ReplyError
from tidegate.connections.valkey import Valkey
from tidegate.errors import BackendUnavailableError
from tidegate.gateway.protocol import ClientInfo
from tidegate.observability.logs import Logger

log = Logger("tidegate.gateway")

_GOOD_FOR: Final = 60.0
_REWRITTEN_EVERY: Final = 20.0


class Presence:
    """The subscribers of this gateway, told to the others. An async context manager."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._here: dict[str, dict[str, str]] = {}
        self._changed: dict[tuple[str, str], None] = {}
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep_told(), name="presence")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def enter(self, channel: str, client: str, user: str) -> None:
        """A client of this gateway has subscribed."""
        self._here.setdefault(channel, {})[client] = user
        self._note(channel, client)

    def leave(self, channel: str, client: str) -> None:
        """It has unsubscribed, or is gone."""
        clients = self._here.get(channel)
        if clients is None or clients.pop(client, None) is None:
            return
        if not clients:
            del self._here[channel]
        self._note(channel, client)

    async def read(self, channel: str) -> dict[str, ClientInfo]:
        """The clients subscribed to a channel, on any gateway.

        Raises:
            BackendUnavailableError: Valkey did not answer.
        """
        await self._tell()
        now, entries = await asyncio.gather(
            self._server_time(), self._valkey.call("HGETALL", self._key(channel))
        )
        present = {}
        past = []
        for client, entry in entries.items():
            until, _, user = entry.partition(b" ")
            if float(until) > now:
                present[client.decode()] = ClientInfo(user.decode(), client.decode())
            else:
                past.append(client)
        if past:
            await self._valkey.call("HDEL", self._key(channel), *past)
        return present

    def _note(self, channel: str, client: str) -> None:
        self._changed[channel, client] = None
        self._news.set()

    async def _keep_told(self) -> None:
        while True:
            try:
                async with asyncio.timeout(_REWRITTEN_EVERY):
                    await self._news.wait()
            except TimeoutError:
                for channel, clients in self._here.items():
                    self._changed.update(((channel, client), None) for client in clients)
            try:
                await self._tell()
            except (BackendUnavailableError, ReplyError) as error:
                log.warning("presence_not_told", error=str(error))

    async def _tell(self) -> None:
        async with self._writing:
            changed, self._changed = self._changed, {}
            self._news.clear()
            if changed:
                until = await self._server_time() + _GOOD_FOR
                calls = self._calls(changed, until)
                await asyncio.gather(*(self._valkey.call(*call) for call in calls))

    def _calls(self, changed: Iterable[tuple[str, str]], until: float) -> list[tuple[str, ...]]:
        present: dict[str, list[str]] = {}
        absent: dict[str, list[str]] = {}
        for channel, client in changed:
            user = self._here.get(channel, {}).get(client)
            if user is None:
                absent.setdefault(channel, []).append(client)
            else:
                present.setdefault(channel, []).extend((client, f"{until:.0f} {user}"))
        calls = [("HSET", self._key(channel), *fields) for channel, fields in present.items()]
        calls += [("HDEL", self._key(channel), *fields) for channel, fields in absent.items()]
        return calls

    async def _server_time(self) -> float:
        seconds, microseconds = await self._valkey.call("TIME")
        return int(seconds) + int(microseconds) / 1e6

    def _key(self, channel: str) -> str:
        return f"{self._valkey.prefix}presence:{channel}"
