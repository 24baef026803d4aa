"""What a command prints, as events on its terminal's channel."""

import base64
from collections.abc import AsyncIterator

from apps.terminal.pty import Utf8Splitter
from tidegate import JobContext


class Teller:
    """Publishes the events of one command.

    Publishing waits while the channel takes no more (256 KiB wait at most), which is how a command
    that prints faster than the store writes is held back.
    """

    def __init__(self, job: JobContext) -> None:
        self._job = job
        self._id = job.claim.id

    async def status(self, state: str, detail: str | None = None) -> None:
        """How far the command is: fetching, running, saving."""
        event = {"type": "status", "job": self._id, "state": state}
        await self._job.publish(event if detail is None else {**event, "detail": detail})

    async def notice(self, text: str) -> None:
        """Something the person should know, that is not output."""
        await self._job.publish({"type": "notice", "job": self._id, "text": text})

    async def output(self, pieces: AsyncIterator[bytes]) -> None:
        """Pass on all output, until there is no more."""
        splitter = Utf8Splitter()
        async for piece in pieces:
            for _, data in splitter.feed(piece):
                await self._piece(data)
        for _, data in splitter.flush():
            await self._piece(data)

    async def _piece(self, data: str | bytes) -> None:
        event: dict[str, object] = {"type": "output", "job": self._id, "data": data}
        if isinstance(data, bytes):
            event["data"] = base64.b64encode(data).decode()
            event["encoding"] = "base64"
        await self._job.publish(event)
