"""Which channels a pattern names: `*` stands for exactly one segment. Pure."""

import re
from functools import lru_cache
from typing import Final

from tidegate.errors import ChannelError

_PATTERN: Final = re.compile(r"(\*|[A-Za-z0-9_-]+)(:(\*|[A-Za-z0-9_-]+))*")


def checked_pattern(pattern: str) -> str:
    """The pattern itself, where it is one.

    Raises:
        ChannelError: It is not.
    """
    if not _PATTERN.fullmatch(pattern):
        raise ChannelError(
            "expected a channel pattern of [A-Za-z0-9_-]+ or '*' segments split by ':', "
            f"found {pattern[:80]!r}"
        )
    return pattern


def matches(pattern: str, channel: str) -> bool:
    """Whether `pattern` names `channel`."""
    return _compiled(pattern).fullmatch(channel) is not None


@lru_cache(maxsize=4096)
def most_exact(patterns: tuple[str, ...], channel: str) -> str | None:
    """Of the patterns that name `channel`, the one whose first `*` comes last; None if none does.

    Of equal ones the first in alphabetical order, so that every process chooses the same.
    """
    naming = sorted(pattern for pattern in patterns if matches(pattern, channel))
    return max(naming, key=_literals, default=None)


def _literals(pattern: str) -> list[bool]:
    return [segment != "*" for segment in pattern.split(":")]


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> "re.Pattern[str]":
    segments = ("[^:]+" if part == "*" else re.escape(part) for part in pattern.split(":"))
    return re.compile(":".join(segments))
