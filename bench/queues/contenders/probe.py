"""What every contender's handler calls; standard library only.

A worker process counts its jobs and writes what it saw to the file named by BENCH_OUT: when the
first and the last no-op ran, or how long each timed job was on its way.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6390/0")
JOBS = int(os.environ.get("BENCH_JOBS", "20000"))
_OUT = Path(os.environ.get("BENCH_OUT", "/dev/null"))

_count = 0
_first = 0.0
_delays: list[float] = []


def tick() -> None:
    """Called by every no-op job."""
    global _count, _first  # noqa: PLW0603 - a counter is all this is
    if _count == 0:
        _first = time.monotonic()
    _count += 1
    if _count == JOBS:
        report({"first": _first, "last": time.monotonic()})


def arrived(sent: float) -> None:
    """Called by every timed job with the monotonic time at which it was sent."""
    _delays.append(time.monotonic() - sent)
    if len(_delays) == JOBS:
        report({"delays": _delays})


def paced(send: Callable[[float], None], gap: float = 0.02) -> None:
    """Send JOBS timed jobs, one every `gap` seconds."""
    for number in range(JOBS):
        time.sleep(gap)
        send(time.monotonic())
        if number == 0:
            time.sleep(0.5)


def timed(enqueue: Callable[[], None]) -> None:
    """Write how long `enqueue`, which sends JOBS jobs, takes."""
    start = time.monotonic()
    enqueue()
    report({"seconds": time.monotonic() - start})


def verb() -> str:
    """What this run of a contender is to do: `bulk`, `enqueue` or `paced`."""
    return sys.argv[1]


def report(seen: dict[str, object]) -> None:
    """Write what was seen, whole or not at all."""
    part = _OUT.with_suffix(".part")
    part.write_text(json.dumps(seen))
    part.replace(_OUT)
