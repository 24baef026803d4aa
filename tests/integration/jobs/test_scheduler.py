"""Schedules are fired once by however many schedulers run."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tidegate import App
from tidegate.client import Client
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.jobs.job import State
from tidegate.jobs.scheduler import Scheduler
from tidegate.settings import Settings


def an_app(overlap: str) -> App:
    app = App("test")
    queue = app.queue("reports")

    @queue.job
    async def report(kind: str) -> None: ...

    app.schedule("secondly", "* * * * * *", report, "short", overlap=overlap)  # type: ignore[arg-type]
    return app


@pytest.fixture
async def clients(server: EmbeddedValkey) -> AsyncIterator[tuple[Client, Client]]:
    settings = Settings(valkey_url=server.url)
    async with (
        Client.open(an_app("allow"), settings) as one,
        Client.open(an_app("allow"), settings) as other,
    ):
        yield one, other


async def jobs_of(client: Client, count: int) -> list[str]:
    """The ids of the queue's jobs, once there are `count`."""
    while True:
        page = await client.jobs("reports")
        if len(page.jobs) >= count:
            return [record.id for record in page.jobs]
        await asyncio.sleep(0.05)  # a schedule has nothing to wait on but the clock


async def test_two_schedulers_make_one_job_of_each_time(clients: tuple[Client, Client]) -> None:
    running = [asyncio.create_task(Scheduler(client).run()) for client in clients]
    async with asyncio.timeout(10):
        await jobs_of(clients[0], 3)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    records = (await clients[0].jobs("reports")).jobs
    seconds = [int(record.enqueued_at) for record in records]
    assert len(set(seconds)) == len(seconds)


async def test_a_time_is_not_fired_again_by_a_scheduler_that_starts_later(
    clients: tuple[Client, Client],
) -> None:
    one, other = clients
    await Scheduler(one).fire()
    await asyncio.sleep(1.1)  # until the schedule is due
    await Scheduler(one).fire()
    fired = await jobs_of(one, 1)
    await Scheduler(other).fire()
    assert set(await jobs_of(one, 1)) >= set(fired)
    assert len(await jobs_of(one, 1)) <= len(fired) + 1


@pytest.mark.parametrize(("overlap", "jobs"), [("skip", 1), ("queue", 2)])
async def test_overlap_decides_how_many_wait_while_the_first_has_not_ended(
    server: EmbeddedValkey, overlap: str, jobs: int
) -> None:
    async with Client.open(an_app(overlap), Settings(valkey_url=server.url)) as client:
        scheduler = Scheduler(client)
        await scheduler.fire()
        await asyncio.sleep(1.1)  # until the schedule is due
        await scheduler.fire()
        first = (await client.queue_backend.exchange("worker", queues=["reports"], limit=1)).claims
        for _ in range(3):
            await asyncio.sleep(1.0)  # until it is due again
            await scheduler.fire()
        records = (await client.jobs("reports")).jobs
        assert [record.id for record in records if record.state is State.RUNNING] == [first[0].id]
        assert len(records) == jobs
