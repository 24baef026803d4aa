"""Terminal output as events: text where the bytes are UTF-8, bytes where they are not."""

import codecs
from typing import Literal

Text = tuple[Literal["text"], str]
Binary = tuple[Literal["binary"], bytes]

CODE_POINT_BYTES = 4


class Utf8Splitter:
    """Cuts a stream of bytes at code points.

    Joined again, the events are exactly the bytes that were fed: an event never holds part of a
    code point whose rest is still to come. It keeps back at most three bytes, for which `flush`
    asks once the stream has ended.
    """

    def __init__(self) -> None:
        self._kept = b""

    def feed(self, data: bytes) -> list[Text | Binary]:
        """The events that `data` completes: text, and from the first byte that is none, binary.

        One bad byte makes the rest of this piece binary, so that a stream of random bytes becomes
        one event per piece and not one per byte.
        """
        data = self._kept + data
        cut = len(data) - unfinished(data)
        whole, self._kept = data[:cut], data[cut:]
        return _events(whole)

    def flush(self) -> list[Text | Binary]:
        """What was kept back, as binary; the splitter is then as new."""
        kept, self._kept = self._kept, b""
        return [("binary", kept)] if kept else []


def unfinished(data: bytes) -> int:
    """How many bytes at the end of `data` begin a code point that more bytes could complete."""
    for length in range(1, min(CODE_POINT_BYTES, len(data) + 1)):
        tail = data[-length:]
        if tail[0] >= 0xC0:  # noqa: PLR2004 - the first byte of a sequence; 0x80 to 0xBF continue
            return length if _could_continue(tail) else 0
    return 0


def _could_continue(tail: bytes) -> bool:
    text, used = codecs.utf_8_decode(tail, "ignore", False)  # noqa: FBT003 - takes no keywords
    return not text and used == 0


def _events(whole: bytes) -> list[Text | Binary]:
    try:
        return [("text", whole.decode())] if whole else []
    except UnicodeDecodeError as error:
        good, bad = whole[: error.start], whole[error.start :]
        binary: Binary = ("binary", bad)
        return [("text", good.decode()), binary] if good else [binary]
