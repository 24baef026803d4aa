"""From enqueue to result: the way of a job that nothing goes wrong with."""

import asyncio
from contextvars import ContextVar

import pytest

from tidegate import App, Retry
from tidegate.client import Client
from tidegate.errors import (
    DeclarationError,
    PayloadError,
    QueueFullError,
    TidegateError,
    UnknownHandlerError,
    UnknownQueueError,
)
from tidegate.handler import Options
from tidegate.jobs.job import State
from tidegate.settings import Settings
from tidegate.testing.working import working


async def test_a_job_runs_and_its_producer_gets_the_result(app: App, settings: Settings) -> None:
    queue = app.queue("sums")

    @queue.job
    async def add(first: int, second: int) -> int:
        return first + second

    async with working(app, settings):
        handle = await add.enqueue(1, second=2)
        assert await handle.result(timeout=5) == 3


async def test_a_plain_function_runs_in_a_thread_and_blocks_nobody(
    app: App, settings: Settings
) -> None:
    queue = app.queue("mixed")
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    @queue.job
    def block() -> str:
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        return "released"

    @queue.job
    async def pass_by() -> None:
        release.set()

    async with working(app, settings):
        blocked = await block.enqueue()
        await pass_by.enqueue()
        assert await blocked.result(timeout=5) == "released"


async def test_many_jobs_are_enqueued_in_one_go_and_keep_their_order(
    app: App, settings: Settings
) -> None:
    queue = app.queue("numbers", slots=1)
    seen: list[int] = []

    @queue.job
    async def note(number: int) -> None:
        seen.append(number)

    async with working(app, settings) as client:
        handles = await client.enqueue_many(note, [(n,) for n in range(700)])
        await asyncio.gather(*[handle.result(timeout=10) for handle in handles[-20:]])
    assert seen == list(range(700))


async def test_jobs_of_one_key_run_one_at_a_time_in_order(app: App, settings: Settings) -> None:
    queue = app.queue("keyed", slots=8)
    seen: list[int] = []
    running = 0

    @queue.job
    async def step(number: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.005)  # a step takes time, so that two could overlap
        seen.append(number)
        running -= 1

    async with working(app, settings):
        handles = [await step.using(key="terminal").enqueue(n) for n in range(8)]
        for handle in handles:
            await handle.result(timeout=5)
    assert seen == list(range(8))


async def test_what_one_handler_sets_in_its_context_the_next_does_not_see(
    app: App, settings: Settings
) -> None:
    queue = app.queue("contexts", slots=1)
    user: ContextVar[str] = ContextVar("user", default="nobody")

    @queue.job
    async def act_as(name: str) -> str:
        before = user.get()
        user.set(name)
        await asyncio.sleep(0)
        assert user.get() == name
        return before

    async with working(app, settings):
        for name in ("ann", "bob"):
            assert await (await act_as.enqueue(name)).result(timeout=5) == "nobody"


async def test_a_large_payload_travels_through_objects(app: App, settings: Settings) -> None:
    queue = app.queue("large")

    @queue.job
    async def count(text: str) -> int:
        return len(text)

    async with working(app, settings) as client:
        handle = await count.enqueue("x" * 1_000_000)
        assert await handle.result(timeout=10) == 1_000_000
        record = await client.job(handle.id)
        assert record is not None
        assert record.payload == b""


async def test_a_payload_above_eight_mebibytes_is_refused(app: App, settings: Settings) -> None:
    queue = app.queue("large")

    @queue.job
    async def count(text: str) -> int: ...

    async with Client.open(app, settings):
        with pytest.raises(PayloadError, match="put the data into objects"):
            await count.enqueue("x" * 10_000_000)


async def test_a_duplicate_gets_the_handle_of_the_first(app: App, settings: Settings) -> None:
    queue = app.queue("once")

    @queue.job
    async def send(text: str) -> str:
        return text

    async with Client.open(app, settings):
        first = await send.using(dedupe="letter").enqueue("a")
        again = await send.using(dedupe="letter").enqueue("b")
    assert (again.id, first.created, again.created) == (first.id, True, False)


async def test_a_full_queue_refuses_its_own_jobs_and_no_others(
    app: App, settings: Settings
) -> None:
    narrow = app.queue("narrow", max_depth=1)
    wide = app.queue("wide")

    @narrow.job
    async def small() -> None: ...

    @wide.job
    async def big() -> None: ...

    async with Client.open(app, settings):
        # Enqueued in one turn of the loop, so all four travel in one call.
        answers = await asyncio.gather(
            small.enqueue(), big.enqueue(), small.enqueue(), big.enqueue(), return_exceptions=True
        )
    assert [isinstance(answer, QueueFullError) for answer in answers] == [False, False, True, False]


async def test_names_and_payloads_from_outside_are_checked(app: App, settings: Settings) -> None:
    queue = app.queue("sums")

    @queue.job(name="sums.double")
    async def double(number: int) -> int:
        return 2 * number

    async with working(app, settings) as client:
        with pytest.raises(UnknownQueueError, match="declared queues: sums"):
            await client.enqueue_named("summs", "sums.double", b"1")
        with pytest.raises(UnknownHandlerError, match=r"declared jobs: sums\.double"):
            await client.enqueue_named("sums", "sums.treble", b"1")
        with pytest.raises(PayloadError, match="Expected `int`, got `str`"):
            await client.enqueue_named("sums", "sums.double", b'"one"')
        with pytest.raises(DeclarationError, match="priorities high, normal, low"):
            await client.enqueue_named("sums", "sums.double", b"1", Options(priority="urgent"))
        handle = await client.enqueue_named("sums", "sums.double", b"21")
        assert await handle.result(timeout=5) == 42


async def test_without_an_open_client_enqueuing_says_how_to_open_one(app: App) -> None:
    queue = app.queue("sums")

    @queue.job
    async def nothing() -> None: ...

    with pytest.raises(TidegateError, match=r"Client\.open\(app\)"):
        await nothing.enqueue()


async def test_a_paused_queue_is_not_claimed_from_until_it_is_resumed(
    app: App, settings: Settings
) -> None:
    queue = app.queue("pausing")

    @queue.job
    async def nothing() -> None: ...

    async with working(app, settings) as client:
        await client.pause("pausing")
        handle = await nothing.enqueue()
        with pytest.raises(TimeoutError):
            await handle.result(timeout=0.2)
        assert await handle.state() is State.READY
        await client.resume("pausing")
        await handle.result(timeout=5)


async def test_a_delayed_job_starts_when_it_is_due(app: App, settings: Settings) -> None:
    queue = app.queue("later")

    @queue.job
    async def nothing() -> None: ...

    async with working(app, settings):
        handle = await nothing.using(delay=0.3).enqueue()
        assert await handle.state() is State.SCHEDULED
        record = await handle.ended(timeout=5)
        assert record.started_at is not None
        assert 0.3 <= record.started_at - record.enqueued_at < 0.6


async def test_workers_report_what_they_serve(app: App, settings: Settings) -> None:
    app.queue("reported", slots=3)
    async with working(app, settings) as client:
        async with asyncio.timeout(5):
            while not (workers := await client.workers()):  # noqa: ASYNC110 - told by a thread
                await asyncio.sleep(0.01)
        assert [(worker.queues, worker.slots) for worker in workers] == [(["reported"], 3)]
    async with Client.open(app, settings) as client:
        assert await client.workers() == []


async def test_an_object_that_is_not_the_one_sent_is_never_run(
    app: App, settings: Settings
) -> None:
    queue = app.queue("large")

    @queue.job(retry=Retry(attempts=1))
    async def count(text: str) -> int:
        return len(text)

    async with Client.open(app, settings) as client:
        handle = await count.enqueue("x" * 100_000)
        record = await handle.record()
        await client.objects.put((record.payload_ref or "").partition("#")[0], b'"forged"')
    async with working(app, settings) as client:
        record = await client.handle(handle.id).ended(timeout=5)
    assert record.state is State.DEAD
    assert "expected SHA-256" in str(record.errors[-1]["message"])
