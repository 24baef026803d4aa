"""An app whose handlers write to a ledger, for the tests that kill its workers."""

import asyncio
import os
import signal
import time

from tidegate import App, JobContext, Retry
from tidegate.errors import StaleAttemptError
from tidegate.testing.ledger import Ledger

LEDGER = Ledger(os.environ["LEDGER"])

app = App("ledgered")
work = app.queue("work", lease=1.0, slots=4, drain=1.0, stop_timeout=10)


def die_at(moment: str, wanted: str, attempt: JobContext) -> None:
    """Die at this moment of the first delivery, as SIGKILL has it: nothing is cleaned up."""
    if moment == wanted and attempt.claim.deliveries == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@work.job(crashes=5)
async def effect(job: JobContext, moment: str = "never") -> int:
    """One effect, with moments before and after it at which the worker dies."""
    LEDGER.note("started", job=job.claim.id, fence=job.claim.fence)
    die_at(moment, "before the effect", job)
    LEDGER.note("effect", job=job.claim.id, fence=job.claim.fence)
    die_at(moment, "after the effect", job)
    await job.publish({"fence": job.claim.fence})
    await job.flush()
    die_at(moment, "after publishing", job)
    # The result is sent a turn of the loop later than this.
    asyncio.get_running_loop().call_soon(die_at, moment, "after returning", job)
    return job.claim.fence


@work.job(on_crash="fail", end={"type": "exit", "code": None})
async def fragile(job: JobContext) -> None:
    """Dies, and must not run again."""
    LEDGER.note("started", job=job.claim.id)
    os.kill(os.getpid(), signal.SIGKILL)


@work.job(crashes=2)
async def poison(job: JobContext) -> None:
    """Kills every worker it meets."""
    LEDGER.note("started", job=job.claim.id)
    os.kill(os.getpid(), signal.SIGKILL)


@work.job
async def patient(job: JobContext, seconds: float) -> int:
    """Goes on for a while, and notes how it ends."""
    LEDGER.note("started", job=job.claim.id, fence=job.claim.fence)
    try:
        await asyncio.sleep(seconds)
        await job.publish({"fence": job.claim.fence})
        await job.flush()
    except (asyncio.CancelledError, StaleAttemptError) as error:
        LEDGER.note("stopped", by=type(error).__name__, fence=job.claim.fence)
        raise
    LEDGER.note("finished", fence=job.claim.fence)
    return job.claim.fence


@work.job
async def blocking(job: JobContext, seconds: float) -> int:
    """Blocks the event loop, which a handler should not."""
    LEDGER.note("started", job=job.claim.id)
    time.sleep(seconds)  # noqa: ASYNC251 - the fault itself
    return job.claim.fence


@work.job(isolate=True, retry=Retry(attempts=1))
def isolated(seconds: float) -> None:
    """Sleeps in a child process."""
    LEDGER.note("started")
    time.sleep(seconds)
