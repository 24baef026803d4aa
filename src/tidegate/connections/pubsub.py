"""A connection to Valkey for subscriptions, which repairs itself and says so."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final, Self

from tidegate.connections.address import Address
from tidegate.connections.link import Link, Reply, ReplyError, open_link, packed
from tidegate.errors import BackendUnavailableError

_FIRST_DELAY: Final = 0.02
_LONGEST_DELAY: Final = 1.0
_PING_EVERY: Final = 5.0
_PING_TIMEOUT: Final = 5.0


class PubSub:
    """A connection for sharded subscriptions that repairs itself.

    Each name's `on_message(data)` is called in order of arrival. `on_reset()` is called once the
    names are subscribed again after a lost connection: whatever was published meanwhile was
    missed, and is to be read from the log. A server that does not answer a ping within 5 s counts
    as lost. Nothing is buffered here; a process that cannot keep up is cut by the server at its
    `client-output-buffer-limit pubsub`, and goes through `on_reset`.
    """

    def __init__(
        self,
        address: Address,
        *,
        on_reset: Callable[[], None],
        name: str = "tidegate-sub",
    ) -> None:
        self._address = address
        self._on_reset = on_reset
        self._name = name
        self._handlers: dict[bytes, Callable[[bytes], None]] = {}
        self._confirming: dict[bytes, asyncio.Future[None]] = {}
        self._link: Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self._generation = 0

    async def __aenter__(self) -> Self:
        await self._open()
        self._task = asyncio.create_task(self._keep_open(), name="valkey-subscriber")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._link is not None:
            self._link.close()

    async def subscribe(self, name: str, on_message: Callable[[bytes], None]) -> None:
        """Receive what is published to `name`; returns once the server has confirmed it.

        Subscribing again replaces `on_message`. While there is no connection the name is
        remembered, and `on_reset` follows when it is back.

        Raises:
            ReplyError: The server refused it (its access rules do not allow the channel).
        """
        key = name.encode()
        self._handlers[key] = on_message
        if self._link is not None and self._link.is_open:
            await asyncio.shield(self._confirmed(self._link, key))

    def unsubscribe(self, name: str) -> None:
        """Stop receiving `name`; messages already on their way are passed over."""
        if self._handlers.pop(name.encode(), None) is not None and self._link is not None:
            self._link.write(packed("SUNSUBSCRIBE", name))

    def _confirmed(self, link: Link, key: bytes) -> "asyncio.Future[None]":
        future = self._confirming.get(key)
        if future is None:
            future = self._confirming[key] = asyncio.get_running_loop().create_future()
            link.write(packed("SSUBSCRIBE", key))
        return future

    async def _keep_open(self) -> None:
        delay = _FIRST_DELAY
        while True:
            await self._watch()
            try:
                await self._open()
            except (BackendUnavailableError, ReplyError):
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
            else:
                delay = _FIRST_DELAY
                self._on_reset()

    async def _watch(self) -> None:
        """Return when the connection is lost; one whose other end is silent is given up."""
        while not self._lost.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_EVERY):
                    await self._lost.wait()
            if not self._lost.is_set() and self._link is not None:
                await self._ping(self._link)

    async def _ping(self, link: Link) -> None:
        try:
            async with asyncio.timeout(_PING_TIMEOUT):
                await link.send(packed("PING"))
        except (TimeoutError, ReplyError, BackendUnavailableError):
            link.close()
            self._drop(self._generation)

    async def _open(self) -> None:
        self._lost.clear()
        self._generation += 1
        on_lost = partial(self._drop, self._generation)
        try:
            link = await open_link(
                self._address, on_push=self._pushed, on_lost=on_lost, name=self._name
            )
            self._link = link
            # Only a confirmed subscription makes it true that nothing is missed from here on.
            await asyncio.gather(*[self._confirmed(link, key) for key in self._handlers])
        except BaseException:
            self._lost.set()
            raise

    def _drop(self, generation: int) -> None:
        if generation != self._generation:
            return  # a link given up earlier has now closed
        self._link = None
        self._lost.set()
        for future in _taken(self._confirming):
            future.set_result(None)  # the name is remembered; on_reset will follow

    def _pushed(self, push: list[Reply]) -> None:
        kind = push[0]
        if kind == b"smessage":
            handler = self._handlers.get(push[1])
            if handler is not None:
                handler(push[2])
        elif kind == b"ssubscribe":
            future = self._confirming.pop(push[1], None)
            if future is not None and not future.done():
                future.set_result(None)
        elif kind == b"refused":
            for future in _taken(self._confirming):
                future.set_exception(push[1])


def _taken(waiting: dict[bytes, "asyncio.Future[None]"]) -> Iterable["asyncio.Future[None]"]:
    taken = [future for future in waiting.values() if not future.done()]
    waiting.clear()
    return taken
