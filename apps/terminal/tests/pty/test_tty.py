"""Both sides of a pseudo-terminal, without a program."""

import asyncio
import os
import struct
import termios
from collections.abc import AsyncIterator
from fcntl import ioctl

import pytest

from apps.terminal.pty import InputFullError
from apps.terminal.pty import tty as module
from apps.terminal.pty.tty import INPUT_BYTES, Tty


@pytest.fixture
async def tty() -> AsyncIterator[Tty]:
    tty = Tty.open(80, 24, None)
    yield tty
    tty.close()


def size(tty: Tty) -> tuple[int, int]:
    rows, cols, _, _ = struct.unpack("HHHH", ioctl(tty.far, termios.TIOCGWINSZ, b"\0" * 8))
    return cols, rows


async def test_a_size_out_of_range_is_made_to_fit(tty: Tty) -> None:
    tty.resize(0, 100_000)
    assert size(tty) == (1, 1000)


async def test_reading_that_is_cancelled_loses_nothing(tty: Tty) -> None:
    reading = asyncio.ensure_future(tty.read())
    await asyncio.sleep(0)
    reading.cancel()
    os.write(tty.far, b"kept")
    assert await tty.read() == b"kept"


async def test_the_last_words_are_read_before_the_end(tty: Tty) -> None:
    os.write(tty.far, b"last")
    tty.finish()
    assert await tty.read() == b"last"
    assert await tty.read() == b""


async def test_writing_to_a_program_that_does_not_read_waits_and_then_refuses(
    tty: Tty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "INPUT_PATIENCE", 0.05)
    attributes = termios.tcgetattr(tty.far)
    attributes[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(tty.far, termios.TCSANOW, attributes)
    with pytest.raises(InputFullError, match="interrupt it") as caught:
        await tty.write(b"x" * (INPUT_BYTES * 3))
    assert 0 < caught.value.refused <= INPUT_BYTES * 3


async def test_a_long_paste_arrives_whole_as_the_program_reads(tty: Tty) -> None:
    attributes = termios.tcgetattr(tty.far)
    attributes[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(tty.far, termios.TCSANOW, attributes)
    sent = bytes(range(97, 123)) * 8000

    def received() -> bytes:
        data = b""
        while len(data) < len(sent):
            data += os.read(tty.far, 65536)
        return data

    reading = asyncio.create_task(asyncio.to_thread(received))
    await tty.write(sent)
    assert await reading == sent


async def test_closing_twice_is_fine(tty: Tty) -> None:
    tty.close()
    tty.close()
    assert await tty.read() == b""
