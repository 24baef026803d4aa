"""What the crash test runs: every setting is the default."""

import asyncio
import os
from pathlib import Path

from tidegate import App

app = App("crash")


@app.queue("work").job
async def work(number: int) -> int:
    """50 ms, written down before and after."""
    note(f"start {number}")
    await asyncio.sleep(0.05)
    note(f"done {number}")
    return number


def note(line: str) -> None:
    with Path(os.environ["BENCH_LEDGER"]).open("a") as ledger:
        ledger.write(line + "\n")
