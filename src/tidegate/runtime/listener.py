"""What `tidegate up` has to say while it runs, to whoever shows it."""

from collections.abc import Sequence
from typing import Protocol


class Listener(Protocol):
    """Told what happens, in the order it happens."""

    def ready(self, name: str, seconds: float, note: str = "") -> None:
        """A service is ready, `seconds` after it was started; `note` is a wish about it."""
        ...

    def open(self, url: str, seconds: float) -> None:
        """Everything is ready, `seconds` after `up` was."""
        ...

    def ended(self, name: str, how: str, *, last: Sequence[str], retry_in: float | None) -> None:
        """A service ended by itself; `last` are its last words, None means it is not restarted."""
        ...

    def note(self, text: str) -> None:
        """Something a person wants to know."""
        ...

    def output(self, name: str, line: str) -> None:
        """A service wrote a line; only told where it was asked for."""
        ...


class Silent:
    """A listener that says nothing."""

    def ready(self, name: str, seconds: float, note: str = "") -> None:
        """Say nothing."""

    def open(self, url: str, seconds: float) -> None:
        """Say nothing."""

    def ended(self, name: str, how: str, *, last: Sequence[str], retry_in: float | None) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def output(self, name: str, line: str) -> None:
        """Say nothing."""
