"""A worker that runs alone, without a scheduler, still gets back what a dead one held."""

import asyncio

from tidegate import App
from tidegate.client import Client
from tidegate.settings import Settings
from tidegate.testing.working import working


async def test_a_lone_worker_runs_the_job_of_a_worker_that_died(settings: Settings) -> None:
    app = App("test")

    @app.queue("work", lease=1.0).job
    async def double(number: int) -> int:
        return number * 2

    async with Client.open(app, settings) as client:
        handle = await double.enqueue(21)
        gone = await client.queue_backend.exchange("gone", queues=["work"], limit=1)
        assert [claim.id for claim in gone.claims] == [handle.id]

    async with working(app, settings) as client, asyncio.timeout(20):
        assert await client.handle(handle.id).result() == 42
