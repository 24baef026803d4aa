"""The server-side function library: one Lua source, named by the hash of its content.

Two releases that run together each load their own library beside the other's; nothing is replaced
under a running process.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Final

_PARTS: Final = (
    "connections/prelude.lua",
    "channels/backends/valkey.lua",
    "jobs/backends/valkey.lua",
    "jobs/backends/valkey_affinity.lua",
    "jobs/backends/valkey_moves.lua",
    "jobs/backends/valkey_enqueue.lua",
    "jobs/backends/valkey_settle.lua",
    "jobs/backends/valkey_worker.lua",
    "jobs/backends/valkey_claim.lua",
    "jobs/backends/valkey_exchange.lua",
    "jobs/backends/valkey_steer.lua",
    "jobs/backends/valkey_sweep.lua",
    "jobs/backends/valkey_watch.lua",
)


@dataclass(frozen=True, slots=True)
class Library:
    """A loadable function library.

    Attributes:
        name: `tg_` and the first 12 hexadecimal digits of the source's SHA-256.
        source: What `FUNCTION LOAD` takes, first line included.
    """

    name: str
    source: str

    def function(self, name: str) -> str:
        """The full name under which the server knows function `name`."""
        return f"{self.name}_{name}"


@lru_cache(maxsize=1)
def library() -> Library:
    """This release's library."""
    root = files("tidegate")
    body = "\n".join((root / part).read_text(encoding="utf-8") for part in _PARTS)
    name = "tg_" + hashlib.sha256(body.encode()).hexdigest()[:12]
    return Library(name, f"#!lua name={name}\nlocal LIBRARY = '{name}'\n{body}")
