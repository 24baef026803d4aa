"""A worker inside a test: real claims, leases and settlements, no process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tidegate.app import App
from tidegate.client import Client
from tidegate.jobs.worker import Worker
from tidegate.settings import Settings


@asynccontextmanager
async def working(
    app: App, settings: Settings, *, worker: str | None = None
) -> AsyncIterator[Client]:
    """An open client while a worker of the app runs; the first declared one, or that named.

    At the end running jobs are cancelled and handed back at once.
    """
    async with Client.open(app, settings) as client:
        workers = {spec.name: spec for spec in app.spec.workers}
        spec = workers[worker] if worker is not None else next(iter(workers.values()))
        at_work = Worker(client, spec)
        running = asyncio.create_task(at_work.run(), name="worker")
        try:
            yield client
        finally:
            at_work.drain.begin()
            at_work.drain.begin()
            await running
