"""What a handler does through its `JobContext`, and what is refused once its lease is lost."""

import asyncio

import msgspec
import pytest

from tidegate import App, JobContext, Retry
from tidegate.clock import SYSTEM
from tidegate.errors import StaleAttemptError
from tidegate.jobs.attempt_token import verify
from tidegate.jobs.backend import Complete
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.jobs.job import State
from tidegate.settings import Settings
from tidegate.testing.working import working


async def events_of(client: object, channel: str) -> list[dict[str, object]]:
    log = await client.replay(channel)  # type: ignore[attr-defined]
    return [msgspec.json.decode(event.data) for event in log.events]


async def test_events_come_in_order_and_the_end_comes_last(app: App, settings: Settings) -> None:
    queue = app.queue("counting")

    @queue.job(end={"type": "exit", "code": None})
    async def count(job: JobContext, upto: int) -> dict[str, int]:
        for number in range(upto):
            await job.publish({"number": number})
        return {"code": 7}

    async with working(app, settings) as client:
        handle = await count.enqueue(100)
        await handle.result(timeout=5)
        *numbers, end = await events_of(client, handle.channel)
    assert numbers == [{"number": number} for number in range(100)]
    assert end == {"type": "exit", "code": 7, "job": handle.id, "state": "succeeded"}


async def test_jobs_may_share_a_channel_and_each_has_its_end(app: App, settings: Settings) -> None:
    queue = app.queue("shared")

    @queue.job
    async def silent() -> None: ...

    async with working(app, settings) as client:
        handles = [await silent.using(channel="terminal:1").enqueue() for _ in range(2)]
        for handle in handles:
            await handle.result(timeout=5)
        ends = await events_of(client, "terminal:1")
    assert {end["job"] for end in ends} == {handle.id for handle in handles}


async def test_an_event_with_a_key_is_published_once(app: App, settings: Settings) -> None:
    queue = app.queue("keyed")

    @queue.job
    async def greet(job: JobContext) -> list[int]:
        first = await job.publish({"hello": 1}, key="greeting")
        again = await job.publish({"hello": 2}, key="greeting")
        assert first is not None
        assert again is not None
        return [first.offset, again.offset]

    async with working(app, settings) as client:
        handle = await greet.enqueue()
        assert await handle.result(timeout=5) == [1, 1]
        hello, _ = await events_of(client, handle.channel)
    assert hello == {"hello": 1}


async def test_the_latest_progress_is_kept_and_subscribers_see_a_few(
    app: App, settings: Settings
) -> None:
    queue = app.queue("progress")

    @queue.job
    async def work(job: JobContext) -> None:
        for done in range(200):
            await job.progress(done, of=200, note=f"step {done}")

    async with working(app, settings) as client:
        handle = await work.enqueue()
        await handle.result(timeout=5)
        progress = (await handle.record()).progress
        *reports, _ = await events_of(client, handle.channel)
    assert progress == b'{"done":199,"of":200,"note":"step 199"}'
    assert reports[0]["done"] == 0
    assert reports[-1] == {"type": "progress", "done": 199, "of": 200, "note": "step 199"}
    assert len(reports) < 20


async def test_a_plain_function_reaches_the_loop_through_wait(app: App, settings: Settings) -> None:
    queue = app.queue("threads")

    @queue.job
    def work(job: JobContext) -> str:
        job.wait(job.progress(1, of=2))
        job.wait(job.publish({"from": "thread"}))
        return job.idempotency_key

    async with working(app, settings) as client:
        handle = await work.enqueue()
        assert await handle.result(timeout=5) == handle.id
        progress, hello, _ = await events_of(client, handle.channel)
    assert (progress["done"], hello) == (1, {"from": "thread"})


async def test_a_checkpoint_is_where_the_next_attempt_starts(app: App, settings: Settings) -> None:
    queue = app.queue("checkpoints")

    @queue.job(retry=Retry(base=0.01))
    async def climb(job: JobContext) -> list[int]:
        steps = job.checkpointed(list[int]) or []
        await job.checkpoint([*steps, job.claim.attempt])
        if job.claim.attempt < 3:
            raise RuntimeError("slipped")
        return steps

    async with working(app, settings):
        assert await (await climb.enqueue()).result(timeout=5) == [1, 2]


async def test_a_step_runs_once_over_all_attempts(app: App, settings: Settings) -> None:
    queue = app.queue("steps")
    charged = 0

    async def charge() -> int:
        nonlocal charged
        charged += 1
        return 100 + charged

    @queue.job(retry=Retry(base=0.01))
    async def buy(job: JobContext) -> int:
        receipt = await job.once("charge", charge, int)
        if job.claim.attempt < 3:
            raise RuntimeError("printer jam")
        return receipt

    async with working(app, settings):
        assert await (await buy.enqueue()).result(timeout=5) == 101
    assert charged == 1


async def test_losing_the_lease_stops_the_handler_and_refuses_its_writes(
    app: App, settings: Settings
) -> None:
    queue = app.queue("stolen", lease=1.0)
    refused: list[str] = []
    started, ended = asyncio.Event(), asyncio.Event()

    @queue.job
    async def work(job: JobContext) -> str:
        if job.claim.fence > 1:
            return "second"
        started.set()
        try:
            await asyncio.sleep(30)
        finally:
            for write in (job.publish({"late": 1}), job.checkpoint(1), job.progress(1)):
                try:
                    await write
                except StaleAttemptError as error:
                    refused.append(error.code)
            ended.set()
        return "first"

    async with working(app, settings) as client:
        handle = await work.enqueue()
        await started.wait()
        # A sweep for which two leases have passed takes the job from a worker that is alive.
        async with ValkeyQueues(client.valkey, now=lambda: SYSTEM.now() + 2) as ahead:
            assert (await ahead.sweep(["stolen"])).lapsed == 1
        async with asyncio.timeout(5):
            await ended.wait()
        assert await handle.result(timeout=10) == "second"
        assert (await handle.record()).crashes == 1
    assert refused == ["stale_attempt"] * 3


async def test_an_outside_program_may_end_a_detached_job(app: App, settings: Settings) -> None:
    queue = app.queue("outside")
    tokens: asyncio.Queue[str] = asyncio.Queue()
    returned = asyncio.Event()

    @queue.job
    async def hand_over(job: JobContext) -> str:
        await tokens.put(job.attempt_token(ttl=60))
        await job.detach()
        returned.set()
        return "ignored"

    async with working(app, settings) as client:
        handle = await hand_over.enqueue()
        text = await tokens.get()
        attempt = verify(text, settings.secret_key, now=SYSTEM.now())
        assert (attempt.job, attempt.queue) == (handle.id, "outside")
        report = Complete(id=attempt.job, fence=attempt.fence, result=b'"from outside"')
        answer = await client.queue_backend.exchange("http", settle=[report])
        assert answer.accepted == [True]
        assert await handle.result(timeout=5) == "from outside"
        async with asyncio.timeout(5):
            await returned.wait()
        assert await handle.state() is State.SUCCEEDED


@pytest.mark.parametrize("is_sync", [False, True])
async def test_a_handler_can_enqueue_more_jobs(
    app: App, settings: Settings, *, is_sync: bool
) -> None:
    queue = app.queue("chain")

    @queue.job
    async def second(text: str) -> str:
        return text.upper()

    if is_sync:

        @queue.job
        def first(job: JobContext, text: str) -> str:
            return job.wait(second.enqueue(text)).id

    else:

        @queue.job
        async def first(job: JobContext, text: str) -> str:
            return (await second.enqueue(text)).id

    async with working(app, settings) as client:
        follower = await (await first.enqueue("tide")).result(timeout=5)
        assert await client.handle(follower).result(timeout=5) == "TIDE"
