"""Fifth stop: jobs enqueued by the clock."""

import asyncio
from datetime import UTC, datetime

import pytest

from tidegate import App
from tidegate.errors import DeclarationError
from tidegate.jobs.cron import Cron
from tidegate.jobs.scheduler import Scheduler
from tidegate.settings import Settings
from tidegate.testing.working import working


async def test_a_schedule_enqueues_its_job_and_any_number_of_schedulers_may_run(
    settings: Settings,
) -> None:
    app = App("tour")
    bells = app.queue("bells")
    rung: asyncio.Queue[str] = asyncio.Queue()

    @bells.job
    async def ring(how: str) -> None:
        await rung.put(how)

    app.schedule("every-second", "* * * * * *", ring, "softly")
    async with working(app, settings) as client:
        schedulers = [asyncio.create_task(Scheduler(client).run()) for _ in range(2)]
        assert await asyncio.wait_for(rung.get(), 5) == "softly"
        for scheduler in schedulers:
            scheduler.cancel()
        await asyncio.gather(*schedulers, return_exceptions=True)
        assert rung.empty()


def test_times_are_those_of_a_place_and_a_skipped_one_is_not_lost() -> None:
    # In Lisbon, the clocks of 29 March 2026 go from 01:00 straight to 02:00.
    nightly = Cron("30 1 * * *", "Europe/Lisbon")
    due = nightly.next_after(datetime(2026, 3, 28, 12, 0, tzinfo=UTC))
    assert due == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_schedule_that_cannot_be_read_is_refused_where_it_is_written() -> None:
    with pytest.raises(DeclarationError, match="cannot read hour '25'"):
        Cron("0 25 * * *")
