"""How a worker leaves: what it finishes, what it hands back, and how quickly."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tidegate import App, Interrupted, JobContext
from tidegate.client import Client
from tidegate.jobs.backend import Complete
from tidegate.jobs.job import State
from tidegate.jobs.worker import Worker
from tidegate.settings import Settings


@asynccontextmanager
async def a_worker(
    app: App, settings: Settings, *, idle_timeout: float | None = None
) -> AsyncIterator[tuple[Client, Worker, "asyncio.Task[None]"]]:
    """An open client and a worker that the test ends itself."""
    async with Client.open(app, settings) as client:
        worker = Worker(client, app.spec.workers[0], idle_timeout=idle_timeout)
        running = asyncio.create_task(worker.run())
        yield client, worker, running
        worker.drain.begin()
        await asyncio.wait_for(running, 5)


async def test_running_jobs_finish_and_nothing_more_is_claimed(
    app: App, settings: Settings
) -> None:
    queue = app.queue("draining", slots=1)
    started, let_go = asyncio.Event(), asyncio.Event()

    @queue.job
    async def work(job: JobContext) -> bool:
        started.set()
        await let_go.wait()
        return job.is_draining

    async with a_worker(app, settings) as (client, worker, running):
        first, second = await work.enqueue(), await work.enqueue()
        await started.wait()
        worker.drain.begin()
        let_go.set()
        await asyncio.wait_for(running, 5)
        assert await first.result(timeout=1) is True
        assert await second.state() is State.READY
        assert await client.workers() == []


async def test_a_handler_may_stop_by_itself_when_it_is_told(app: App, settings: Settings) -> None:
    queue = app.queue("draining")
    started = asyncio.Event()
    left: list[float | None] = []

    @queue.job
    async def work(job: JobContext) -> None:
        left.append(job.drained_by)
        started.set()
        await job.draining()
        left.append(job.drained_by)
        await job.checkpoint("half-way")
        raise Interrupted

    async with a_worker(app, settings) as (_, worker, running):
        handle = await work.enqueue()
        await started.wait()
        worker.drain.begin()
        await asyncio.wait_for(running, 5)
        record = await handle.record()
    assert (record.state, record.attempt, record.checkpoint) == (State.READY, 0, b'"half-way"')
    assert left[0] is None
    assert 19 < (left[1] or 0) <= 20


@pytest.mark.parametrize("is_told_twice", [False, True])
async def test_what_does_not_finish_in_time_is_handed_back_for_another_worker(
    app: App, settings: Settings, *, is_told_twice: bool
) -> None:
    queue = app.queue("draining", drain=30.0 if is_told_twice else 0.2, stop_timeout=40)
    started = asyncio.Event()

    @queue.job
    async def work(job: JobContext) -> int:
        if job.claim.deliveries == 1:
            started.set()
            await asyncio.sleep(30)
        return job.claim.attempt

    async with a_worker(app, settings) as (client, worker, running):
        handle = await work.enqueue()
        await started.wait()
        begun = time.monotonic()
        worker.drain.begin()
        if is_told_twice:
            worker.drain.begin()
        await asyncio.wait_for(running, 5)
        assert time.monotonic() - begun < 2
        other = Worker(client, app.spec.workers[0])
        at_work = asyncio.create_task(other.run())
        assert await handle.result(timeout=5) == 1
        other.drain.begin()
        await at_work


async def test_a_worker_without_jobs_leaves_when_it_is_told_to(
    app: App, settings: Settings
) -> None:
    queue = app.queue("idling")

    @queue.job
    async def work() -> None: ...

    async with a_worker(app, settings, idle_timeout=0.3) as (_, _, running):
        await (await work.enqueue()).result(timeout=5)
        await asyncio.wait_for(running, 5)


async def test_affinities_are_synced_before_another_worker_gets_them(
    app: App, settings: Settings
) -> None:
    queue = app.queue("workspaces", slots=2)
    events: list[tuple[str, int]] = []

    @queue.before_release
    async def sync(affinity: str, epoch: int) -> None:
        await asyncio.sleep(0.05)  # syncing takes a while, which the next owner has to wait for
        events.append((f"synced {affinity}", epoch))

    @queue.job
    async def command(job: JobContext) -> str:
        events.append((f"ran {job.claim.affinity}", job.claim.affinity_epoch))
        return job.worker

    async with a_worker(app, settings) as (client, worker, running):
        on_first = await (await command.using(affinity="p1").enqueue()).result(timeout=5)
        assert on_first == worker.id
        other = Worker(client, app.spec.workers[0])
        at_work = asyncio.create_task(other.run())
        again = await (await command.using(affinity="p1").enqueue()).result(timeout=5)
        assert again == worker.id
        worker.drain.begin()
        await asyncio.wait_for(running, 5)
        moved = await (await command.using(affinity="p1").enqueue()).result(timeout=5)
        assert moved == other.id
        other.drain.begin()
        await at_work
    what, epochs = zip(*events, strict=True)
    first, then = epochs[0], epochs[-1]
    assert what == ("ran p1", "ran p1", "synced p1", "ran p1", "synced p1")
    assert epochs == (first, first, first, then, then)
    assert first < then


async def test_a_full_worker_gives_up_what_others_could_run(app: App, settings: Settings) -> None:
    queue = app.queue("workspaces", slots=1)
    synced: list[str] = []
    let_go = asyncio.Event()
    started = asyncio.Event()

    @queue.before_release
    def sync(affinity: str, _epoch: int) -> None:
        synced.append(affinity)

    @queue.job
    async def command(job: JobContext, *, long: bool = False) -> str:
        if long:
            started.set()
            await let_go.wait()
        return job.worker

    async with a_worker(app, settings) as (client, worker, _):
        await (await command.using(affinity="p1").enqueue()).result(timeout=5)
        long = await command.using(affinity="p2").enqueue(long=True)
        await started.wait()
        other = Worker(client, app.spec.workers[0])
        at_work = asyncio.create_task(other.run())
        moved = await (await command.using(affinity="p1").enqueue()).result(timeout=5)
        assert (moved, synced) == (other.id, ["p1"])
        let_go.set()
        assert await long.result(timeout=5) == worker.id
        other.drain.begin()
        await at_work


async def test_an_affinity_is_not_released_while_a_job_of_it_runs(
    app: App, settings: Settings
) -> None:
    queue = app.queue("workspaces")

    @queue.job
    async def command() -> None: ...

    async with Client.open(app, settings) as client:
        backend = client.queue_backend
        await command.using(affinity="p1").enqueue()
        (claim,) = (await backend.exchange("w", queues=["workspaces"], limit=1)).claims
        owned = ("w", "workspaces", "p1", claim.affinity_epoch)
        assert not await backend.release_affinity(*owned)
        await backend.exchange("w", settle=[Complete(id=claim.id, fence=claim.fence)])
        assert await backend.release_affinity(*owned)
