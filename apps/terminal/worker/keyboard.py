"""What a person types, applied to the command that runs: in order, and each input once."""

import asyncio
from collections import deque
from typing import Final

import msgspec

from apps.terminal.command import Input, Keys, Resize, Signalled, input_channel
from apps.terminal.pty import InputFullError, PtyCommand
from apps.terminal.worker.output import Teller
from tidegate import Client, Cursor, Gap

# Typed text that waits for a program which does not read; more is refused, and said to be.
WAITING_BYTES: Final = 256 * 1024

_decode: Final = msgspec.json.Decoder(Input).decode


class Keyboard:
    """The input of one command.

    Text is typed in order, and waits for a program that does not read; sizes and signals take
    effect at once, because who interrupts a program does not want to wait for it.

    Args:
        client: Where the input is read.
        teller: Says what was not typed.
        job: The command's job; signals for another are passed over.
        start: The last input that is not this command's.

    Attributes:
        position: The last input this command has had.
    """

    def __init__(
        self,
        client: Client,
        teller: Teller,
        *,
        job: str,
        project: str,
        terminal: str,
        start: Cursor,
    ) -> None:
        self._client = client
        self._teller = teller
        self._job = job
        self._channel = input_channel(project, terminal)
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._typed = asyncio.Event()
        self.position = start

    async def attend(self, running: PtyCommand) -> None:
        """Apply input until cancelled, or until the command has been ended by it."""
        async with asyncio.TaskGroup() as group:
            typist = group.create_task(self._type(running), name="typist")
            async with self._client.subscribe(
                [self._channel], {self._channel: self.position}
            ) as inputs:
                async for item in inputs:
                    if isinstance(item, Gap):
                        await self._missed(item)
                    elif await self._apply(item.data, running):
                        break
                    self.position = item.until if isinstance(item, Gap) else item.cursor
            typist.cancel()

    async def _missed(self, gap: Gap) -> None:
        if gap.since.epoch and gap.since != gap.until:
            await self._teller.notice("some of what was typed was lost on its way; type it again")

    async def _apply(self, data: bytes, running: PtyCommand) -> bool:
        """Apply one input; whether it was to end the command, and has."""
        try:
            given = _decode(data)
        except msgspec.MsgspecError as error:
            await self._teller.notice(f"an input was not understood: {error}")
            return False
        match given:
            case Keys(data=text):
                await self._keep(text.encode(errors="replace"))
            case Resize(cols=columns, rows=rows):
                running.resize(columns, rows)
            case Signalled(signal=signal, job=job) if job in (None, self._job):
                return await _signal(running, signal)
        return False

    async def _keep(self, data: bytes) -> None:
        if self._bytes + len(data) > WAITING_BYTES:
            await self._teller.notice(
                f"{len(data)} typed bytes were refused: the program does not read its input"
            )
            return
        self._waiting.append(data)
        self._bytes += len(data)
        self._typed.set()

    async def _type(self, running: PtyCommand) -> None:
        while True:
            await self._typed.wait()
            self._typed.clear()
            while self._waiting:
                await self._write(running, self._waiting.popleft())

    async def _write(self, running: PtyCommand, data: bytes) -> None:
        self._bytes -= len(data)
        try:
            await running.write(data)
        except InputFullError as error:
            await self._teller.notice(str(error))


async def _signal(running: PtyCommand, signal: str) -> bool:
    if signal == "INT":
        running.signal("INT")
        return False
    await running.kill("killed")
    return True


def where_input_starts(typed: Cursor, consumed: Cursor) -> Cursor:
    """Where a command's input begins.

    What came after it was typed is its own, except what the command before it has had.

    Args:
        typed: Where the input stood when the command was typed.
        consumed: The last input that the terminal's earlier commands have had.
    """
    if consumed.epoch == typed.epoch and consumed.offset > typed.offset:
        return consumed
    return typed
