"""Identifiers that sort by the time they were made.

A job id is 26 characters of Crockford base 32 (as a ULID has them): 48 bits of milliseconds, then
80 bits. Inside one process the random part counts up within a millisecond, so ids made in order
sort in order, and two jobs enqueued by one producer keep their order in a queue.
"""

import hashlib
import os
import threading
from typing import Final

from tidegate.clock import SYSTEM

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_RANDOM_BITS: Final = 80
_RANDOM_MASK: Final = (1 << _RANDOM_BITS) - 1

ID_LENGTH: Final = 26


class IdSource:
    """Makes ids; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._random = 0

    def new(self, now: float | None = None) -> str:
        """A new id, greater than every id this source made before it."""
        return self.many(1, now)[0]

    def many(self, count: int, now: float | None = None) -> list[str]:
        """`count` new ids in ascending order."""
        with self._lock:
            first = self._reserve(count, SYSTEM.now() if now is None else now)
        return [_encode(first + step) for step in range(count)]

    def _reserve(self, count: int, now: float) -> int:
        now_ms = int(now * 1000)
        if now_ms > self._last_ms:
            self._last_ms = now_ms
            # The top bit stays clear so that counting up never overflows into the time.
            self._random = int.from_bytes(os.urandom(10), "big") >> 1
        first = (self._last_ms << _RANDOM_BITS) | self._random
        self._random = (self._random + count) & _RANDOM_MASK
        return first


def _encode(number: int) -> str:
    pairs = _PAIRS
    return "".join([pairs[(number >> shift) & 1023] for shift in range(120, -1, -10)])


def derived_id(text: str, now: float) -> str:
    """The id that `text` has at this time: the same from every process that asks."""
    digest = hashlib.sha256(text.encode()).digest()[:10]
    return _encode((int(now * 1000) << _RANDOM_BITS) | int.from_bytes(digest, "big"))


_SOURCE: Final = IdSource()


def new_id() -> str:
    """A new id from this process's source."""
    return _SOURCE.new()


def new_ids(count: int) -> list[str]:
    """`count` new ids from this process's source, ascending."""
    return _SOURCE.many(count)
