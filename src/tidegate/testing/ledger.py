"""A ledger: what happened, written by processes that may be killed the moment after."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec


class Ledger:
    """Lines of JSON in a file. A line is written whole or not at all, from any process."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def note(self, what: str, **fields: object) -> None:
        """Write that `what` happened; it outlives the process from here on."""
        line = msgspec.json.encode({"what": what, "pid": os.getpid(), **fields}) + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def entries(self, what: str | None = None) -> list[dict[str, Any]]:
        """Everything noted so far, or all of one kind, in order."""
        if not self.path.exists():
            return []
        lines = self.path.read_bytes().splitlines()
        found: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
        return [entry for entry in found if what is None or entry["what"] == what]

    def times(self, what: str, by: str = "job") -> Counter[object]:
        """How often it happened for each job, or for each value of another field.

        More than once for a job is an effect that was repeated, which at-least-once delivery
        allows and a report should tell.
        """
        return Counter(entry[by] for entry in self.entries(what))
