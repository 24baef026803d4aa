"""What a worker does with jobs, in one process with its producer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tidegate import App, JobContext
from tidegate.client import Client
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.jobs.worker import Worker
from tidegate.settings import Settings


@asynccontextmanager
async def working(app: App, server: EmbeddedValkey) -> AsyncIterator[Client]:
    async with Client.open(app, Settings(valkey_url=server.url)) as client:
        worker = Worker(client, app.spec.workers[0])
        running = asyncio.create_task(worker.run())
        try:
            yield client
        finally:
            worker.drain.begin()
            await running


@pytest.fixture
def app() -> App:
    return App("test")


async def test_a_job_runs_and_its_producer_gets_the_result(
    app: App, server: EmbeddedValkey
) -> None:
    queue = app.queue("sums")

    @queue.job
    async def add(first: int, second: int) -> int:
        return first + second

    async with working(app, server):
        handle = await add.enqueue(1, second=2)
        assert await handle.result(timeout=5) == 3


async def test_what_a_job_publishes_is_followed_by_its_end(
    app: App, server: EmbeddedValkey
) -> None:
    queue = app.queue("words")

    @queue.job
    async def speak(job: JobContext, word: str) -> dict[str, int]:
        await job.publish({"type": "word", "word": word})
        return {"letters": len(word)}

    async with working(app, server) as client:
        handle = await speak.enqueue("tide")
        assert await handle.result(timeout=5) == {"letters": 4}
        log = await client.replay(handle.channel)
        end = f'{{"type":"end","letters":4,"job":"{handle.id}","state":"succeeded"}}'
        assert [event.data for event in log.events] == [
            b'{"type":"word","word":"tide"}',
            end.encode(),
        ]
