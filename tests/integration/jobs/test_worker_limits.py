"""Limits of a queue, as several workers keep them together."""

import asyncio
import time

from tidegate import App
from tidegate.client import Client
from tidegate.jobs.worker import Worker
from tidegate.settings import Settings
from tidegate.testing.working import working


async def test_a_rate_is_kept_and_nobody_sleeps_through_the_next_start(
    app: App, settings: Settings
) -> None:
    queue = app.queue("rated", rate=20.0)
    starts: list[float] = []

    @queue.job
    async def start() -> None:
        starts.append(time.monotonic())

    async with working(app, settings) as client:
        handles = await client.enqueue_many(start, [()] * 9)
        for handle in handles:
            await handle.result(timeout=10)
    took = starts[-1] - starts[0]
    assert 0.39 <= took < 1.5


async def test_a_bound_on_what_runs_at_once_holds_over_workers(
    app: App, settings: Settings
) -> None:
    queue = app.queue("bounded", concurrency=2, slots=5)
    running, most = 0, 0

    @queue.job
    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)  # work, so that others could run beside it
        running -= 1

    async with Client.open(app, settings) as client:
        workers = [Worker(client, app.spec.workers[0]) for _ in range(2)]
        at_work = [asyncio.create_task(worker.run()) for worker in workers]
        handles = await client.enqueue_many(work, [()] * 12)
        for handle in handles:
            await handle.result(timeout=10)
        for worker in workers:
            worker.drain.begin()
        await asyncio.gather(*at_work)
    assert most == 2


async def test_short_jobs_claimed_ahead_of_a_long_one_are_given_back_to_others(
    app: App, settings: Settings
) -> None:
    queue = app.queue("mixed", slots=1)
    let_go = asyncio.Event()
    done: list[int] = []

    @queue.job
    async def short(number: int) -> None:
        if number == 5000 and not let_go.is_set():
            await let_go.wait()
        done.append(number)

    async with Client.open(app, settings) as client:
        first = Worker(client, app.spec.workers[0])
        at_work = [asyncio.create_task(first.run())]
        handles = await client.enqueue_many(short, [(n,) for n in range(5200)])
        async with asyncio.timeout(20):
            while len(done) < 5000:  # noqa: ASYNC110 - the handlers say nothing else
                await asyncio.sleep(0.01)
        other = Worker(client, app.spec.workers[0])
        at_work.append(asyncio.create_task(other.run()))
        for handle in handles[5001:]:
            await handle.result(timeout=10)
        assert not let_go.is_set()
        let_go.set()
        await handles[5000].result(timeout=10)
        for worker in (first, other):
            worker.drain.begin()
        await asyncio.gather(*at_work)
    assert sorted(done) == list(range(5200))
