"""Second stop: jobs fail, and what then."""

import asyncio

import pytest

from tidegate import App, Fatal, JobContext, Retry, Snooze
from tidegate.errors import JobFailedError
from tidegate.jobs.job import State
from tidegate.settings import Settings
from tidegate.testing.working import working

app = App("tour")
calls = app.queue("calls")
QUICKLY = Retry(attempts=4, base=0.01)


@calls.job(retry=QUICKLY)
async def dial(job: JobContext) -> str:
    if job.claim.attempt < 3:
        raise ConnectionError("busy")
    return f"answered at attempt {job.claim.attempt}"


@calls.job(retry=QUICKLY)
async def dial_nobody() -> None:
    raise Fatal("the number does not exist")


@calls.job
async def dial_when_open(job: JobContext) -> int:
    if job.claim.deliveries < 3:
        raise Snooze(0.01)
    return job.claim.attempt


@calls.job(timeout=0.1, retry=Retry(attempts=1))
async def wait_for_ever() -> None:
    await asyncio.sleep(3600)


async def test_a_failed_attempt_is_repeated_after_a_while(settings: Settings) -> None:
    async with working(app, settings):
        handle = await dial.enqueue()
        assert await handle.result(timeout=5) == "answered at attempt 3"
        record = await handle.record()
        assert [error["message"] for error in record.errors] == ["busy", "busy"]


async def test_fatal_says_that_another_attempt_makes_no_sense(settings: Settings) -> None:
    async with working(app, settings):
        handle = await dial_nobody.enqueue()
        with pytest.raises(JobFailedError, match="the number does not exist"):
            await handle.result(timeout=5)
        assert await handle.state() is State.DEAD


async def test_snooze_comes_back_later_and_uses_up_no_attempt(settings: Settings) -> None:
    async with working(app, settings):
        assert await (await dial_when_open.enqueue()).result(timeout=5) == 1


async def test_an_attempt_has_only_so_much_time(settings: Settings) -> None:
    async with working(app, settings):
        record = await (await wait_for_ever.enqueue()).ended(timeout=5)
        assert record.errors[-1]["message"] == "ran longer than its timeout of 0.1 s"


async def test_a_job_can_be_cancelled_even_while_it_runs(settings: Settings) -> None:
    @calls.job(name="tour.hold")
    async def hold() -> None:
        await asyncio.sleep(3600)

    async with working(app, settings):
        handle = await hold.enqueue()
        await handle.cancel("hung up")
        record = await handle.ended(timeout=5)
        assert (record.state, record.reason) == (State.CANCELLED, "hung up")


async def test_dead_jobs_are_kept_and_can_be_driven_again(settings: Settings) -> None:
    async with working(app, settings) as client:
        handle = await dial_nobody.enqueue()
        await handle.ended(timeout=5)
        assert [record.id for record in (await client.jobs("calls", state=State.DEAD)).jobs] == [
            handle.id
        ]
        assert await client.redrive_all("calls") == 1
        assert (await handle.ended(timeout=5)).state is State.DEAD
