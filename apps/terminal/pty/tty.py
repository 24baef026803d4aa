"""A pseudo-terminal in an event loop: read with back-pressure, written without waiting."""

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
from typing import Self

from tidegate.errors import TidegateError

READ_BYTES = 64 * 1024
BUFFER_BYTES = 64 * 1024
INPUT_BYTES = 64 * 1024
INPUT_PATIENCE = 5.0
LARGEST_SIDE = 1000
PRIVATE = 0o600
IUTF8 = 0x4000


class InputFullError(TidegateError):
    """The program does not read what is typed, and as much waits as may wait.

    Attributes:
        refused: Bytes that were not taken.
    """

    code = "input_full"

    def __init__(self, refused: int) -> None:
        super().__init__(
            f"expected the program to read its input, found {INPUT_BYTES} bytes waiting; "
            f"{refused} more were not taken: type them again once it reads, or interrupt it"
        )
        self.refused = refused


class Tty:
    """Both sides of a pseudo-terminal, and what waits on the near side.

    About 64 KiB of output wait for the consumer; then reading stops, the kernel's buffer fills and
    the program stands still, as it would with a slow terminal. 64 KiB of input wait for the
    program; then `write` waits, and refuses after five seconds.

    Attributes:
        far: The side that the program gets. Held open here as well: a program that closes its
            terminal for a moment must not look like the end of its output.
    """

    def __init__(self, near: int, far: int) -> None:
        os.set_blocking(near, False)
        self.far = far
        self._near = near
        self._loop = asyncio.get_running_loop()
        self._output = bytearray()
        self._has_output = asyncio.Event()
        self._input = bytearray()
        self._has_room = asyncio.Event()
        self._is_finished = False
        self._loop.add_reader(near, self._read_some)

    @classmethod
    def open(cls, cols: int, rows: int, uid: int | None) -> Self:
        """A new terminal, its far side the property of `uid`.

        Raises:
            OSError: The machine has no more of them.
        """
        near, far = pty.openpty()
        tty = cls(near, far)
        try:
            tty.resize(cols, rows)
            if uid is not None:
                os.fchown(far, uid, -1)
                os.fchmod(far, PRIVATE)
            _understand_utf8(far)
        except OSError:
            tty.close()
            raise
        return tty

    def resize(self, cols: int, rows: int) -> None:
        """Give it this size; what runs in the foreground is told. Out of range is made to fit."""
        sides = (min(max(side, 1), LARGEST_SIDE) for side in (rows, cols))
        fcntl.ioctl(self._near, termios.TIOCSWINSZ, struct.pack("HHHH", *sides, 0, 0))

    def signal(self, number: int) -> None:
        """Signal what runs in the foreground, whether or not it reads its keys."""
        with contextlib.suppress(OSError):  # nobody is there
            os.killpg(os.tcgetpgrp(self._near), number)

    # Output

    async def read(self) -> bytes:
        """All output that waits, at least one byte; empty once there will be no more.

        Cancelling it loses nothing.
        """
        await self._has_output.wait()
        data = bytes(self._output)
        self._output.clear()
        if not self._is_finished:
            self._has_output.clear()
            self._loop.add_reader(self._near, self._read_some)
        return data

    def finish(self) -> None:
        """The program is gone: take what it wrote last, and let `read` end after that."""
        self._loop.remove_reader(self._near)
        self._close_far()
        while self._take():
            pass
        self._is_finished = True
        self._has_output.set()
        self._has_room.set()

    def _read_some(self) -> None:
        # The kernel hands out 4 KiB a time; one event for each would cost more than the reading.
        limit = len(self._output) + READ_BYTES
        while len(self._output) < limit and self._take():
            pass
        if len(self._output) >= BUFFER_BYTES:
            self._loop.remove_reader(self._near)
        if self._output:
            self._has_output.set()

    def _take(self) -> bool:
        """Move a piece of output in; False if none waits, or nobody can write any more."""
        try:
            data = os.read(self._near, READ_BYTES)
        except OSError:
            return False
        self._output += data
        return bool(data)

    # Input

    async def write(self, data: bytes) -> None:
        """Type `data`. Returns once all of it is on its way; dropped if the program is gone.

        Raises:
            InputFullError: The program has not read for five seconds.
        """
        while data and not self._is_finished:
            room = INPUT_BYTES - len(self._input)
            self._input += data[:room]
            data = data[room:]
            self._write_some()
            if data and len(self._input) >= INPUT_BYTES:
                await self._room(len(data))

    async def _room(self, refused: int) -> None:
        self._has_room.clear()
        try:
            await asyncio.wait_for(self._has_room.wait(), INPUT_PATIENCE)
        except TimeoutError:
            raise InputFullError(refused) from None

    def _write_some(self) -> None:
        try:
            taken = os.write(self._near, self._input) if self._input else 0
        except BlockingIOError:
            taken = 0
        except OSError:
            taken = len(self._input)  # nobody is left to read it
        del self._input[:taken]
        if self._input:
            self._loop.add_writer(self._near, self._write_some)
        else:
            self._loop.remove_writer(self._near)
        if len(self._input) < INPUT_BYTES:
            self._has_room.set()

    def close(self) -> None:
        """Give both sides back. Safe to repeat."""
        if self._near >= 0:
            self._loop.remove_reader(self._near)
            self._loop.remove_writer(self._near)
            os.close(self._near)
            self._near = -1
        self._close_far()
        self._is_finished = True
        self._has_output.set()
        self._has_room.set()

    def _close_far(self) -> None:
        if self.far >= 0:
            os.close(self.far)
            self.far = -1


def _understand_utf8(far: int) -> None:
    """Have the terminal itself erase a whole character, not one byte of it."""
    if sys.platform == "linux":
        attributes = termios.tcgetattr(far)
        attributes[0] |= IUTF8
        termios.tcsetattr(far, termios.TCSANOW, attributes)
