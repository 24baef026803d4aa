"""The app under attack: each attempt writes to a ledger that outlives it."""

import asyncio
import os
import signal
from pathlib import Path

from tidegate import App, JobContext, QueueDepth, Retry

LEASE = 3.0
FOLDER = Path(os.environ.get("CHAOS_FOLDER", "/nonexistent"))
EVENTS = 3

app = App("chaos")
app.channel("ticker")
work = app.queue(
    "work",
    lease=LEASE,
    slots=8,
    scale=QueueDepth(messages_per_task=20, min=1, max=2),
    env={"CHAOS_FOLDER": str(FOLDER)},
)


@work.job(retry=Retry(attempts=1000, base=0.1, cap=1), crashes=1000, keep=86400)
async def effect(job: JobContext, number: int) -> dict[str, int]:
    """One effect, with the moments at which a worker may be made to die."""
    fence = job.claim.fence
    moment("started")
    await asyncio.sleep(0.02 + (number % 7) / 100)  # work, so that kills fall inside it
    note(f"effect {number} {fence}")
    moment("effect")
    for step in range(EVENTS):
        await job.publish({"step": step, "fence": fence})
    await job.flush()
    moment("published")
    # The result is stored a turn of the loop later than this.
    asyncio.get_running_loop().call_soon(moment, "returned")
    return {"number": number, "fence": fence}


def moment(name: str) -> None:
    """Die here, if the nemesis has laid a trap of this name; one process per trap."""
    try:
        (FOLDER / f"trap-{name}").unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def note(line: str) -> None:
    """Append a line to the ledger; a line of this length is written whole or not at all."""
    with (FOLDER / "ledger").open("a") as ledger:
        ledger.write(line + "\n")
