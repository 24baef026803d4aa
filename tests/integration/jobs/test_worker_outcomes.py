"""How attempts end other than well, and what becomes of their jobs."""

import asyncio
import sys
import time

import pytest

from tidegate import App, Fatal, Interrupted, JobContext, Retry, Snooze
from tidegate.client import Client
from tidegate.errors import BackendUnavailableError, JobFailedError
from tidegate.jobs import attempt as attempts
from tidegate.jobs.job import State
from tidegate.settings import Settings
from tidegate.testing.working import working

AT_ONCE = Retry(attempts=3, base=0.01, jitter="none")


async def test_a_failed_attempt_is_repeated_until_it_succeeds(app: App, settings: Settings) -> None:
    queue = app.queue("flaky")
    seen: list[int] = []

    @queue.job(retry=AT_ONCE)
    async def flaky(job: JobContext) -> str:
        seen.append(job.claim.attempt)
        if len(seen) < 3:
            raise RuntimeError("not yet")
        return "at last"

    async with working(app, settings):
        handle = await flaky.enqueue()
        assert await handle.result(timeout=5) == "at last"
        record = await handle.record()
    assert seen == [1, 2, 3]
    assert [error["message"] for error in record.errors] == ["not yet", "not yet"]


async def test_a_job_that_always_fails_is_dead_and_says_why(app: App, settings: Settings) -> None:
    queue = app.queue("broken")

    @queue.job(retry=AT_ONCE)
    async def broken(job: JobContext) -> None:
        await job.publish({"type": "trying"})
        raise ValueError("no such tide")

    async with working(app, settings) as client:
        handle = await broken.enqueue()
        with pytest.raises(JobFailedError, match="dead: ValueError: no such tide"):
            await handle.result(timeout=5)
        record = await handle.record()
        last = (await client.replay(handle.channel)).events[-1]
    assert (record.state, record.attempt) == (State.DEAD, 3)
    assert "raise ValueError" in str(record.errors[-1]["traceback"])
    assert b'"state":"dead","reason":"ValueError: no such tide"' in last.data


async def test_a_dead_job_can_be_redriven(app: App, settings: Settings) -> None:
    queue = app.queue("second-chances")
    is_mended = False

    @queue.job(retry=Retry(attempts=1))
    async def fragile() -> str:
        if not is_mended:
            raise RuntimeError("broken")
        return "mended"

    async with working(app, settings) as client:
        handles = [await fragile.enqueue() for _ in range(3)]
        for handle in handles:
            assert (await handle.ended(timeout=5)).state is State.DEAD
        is_mended = True
        assert await client.redrive(handles[0].id) == 1
        assert await handles[0].result(timeout=5) == "mended"
        assert await client.redrive_all("second-chances", limit=1) == 1
        assert await client.redrive_all("second-chances") == 1
        for handle in handles:
            assert await handle.result(timeout=5) == "mended"


@pytest.mark.parametrize("error", [Fatal("never"), KeyError("not worth it")])
async def test_an_error_that_another_attempt_cannot_help_ends_the_job(
    app: App, settings: Settings, error: Exception
) -> None:
    queue = app.queue("hopeless")

    @queue.job(retry=Retry(attempts=5, retry_on=(ConnectionError,)))
    async def hopeless() -> None:
        raise error

    async with working(app, settings):
        record = await (await hopeless.enqueue()).ended(timeout=5)
    assert (record.state, record.attempt) == (State.DEAD, 1)


async def test_a_result_that_json_cannot_hold_ends_the_job(app: App, settings: Settings) -> None:
    queue = app.queue("odd")

    @queue.job
    async def odd() -> object:
        return object()

    async with working(app, settings):
        record = await (await odd.enqueue()).ended(timeout=5)
    assert (record.state, record.attempt) == (State.DEAD, 1)
    assert "expected a value that JSON can hold" in str(record.errors[-1]["message"])


@pytest.mark.parametrize("error", [Snooze(0.02), Interrupted()])
async def test_a_job_that_wants_to_run_later_uses_up_no_attempt(
    app: App, settings: Settings, error: Exception
) -> None:
    queue = app.queue("lazy")
    runs = 0

    @queue.job(retry=Retry(attempts=1))
    async def lazy(job: JobContext) -> int:
        nonlocal runs
        runs += 1
        if runs < 4:
            raise error
        return job.claim.attempt

    async with working(app, settings):
        handle = await lazy.enqueue()
        assert await handle.result(timeout=5) == 1
        assert (await handle.record()).deliveries == 4


async def test_sys_exit_in_a_handler_is_its_failure_not_the_workers_end(
    app: App, settings: Settings
) -> None:
    queue = app.queue("leaving")

    @queue.job(retry=Retry(attempts=1))
    async def leave() -> None:
        sys.exit(3)

    @queue.job
    async def stay() -> str:
        return "here"

    async with working(app, settings):
        assert (await (await leave.enqueue()).ended(timeout=5)).state is State.DEAD
        assert await (await stay.enqueue()).result(timeout=5) == "here"


async def test_an_attempt_that_runs_too_long_is_stopped_and_counts_as_failed(
    app: App, settings: Settings
) -> None:
    queue = app.queue("slow")
    cleaned_up = asyncio.Event()

    @queue.job(timeout=0.1, retry=Retry(attempts=1))
    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaned_up.set()

    async with working(app, settings):
        record = await (await slow.enqueue()).ended(timeout=5)
    assert cleaned_up.is_set()
    assert record.state is State.DEAD
    assert record.errors[-1]["message"] == "ran longer than its timeout of 0.1 s"


async def test_a_thread_that_runs_too_long_is_given_up_and_its_slot_waits_for_it(
    app: App, settings: Settings
) -> None:
    queue = app.queue("stubborn", slots=1)

    @queue.job(timeout=0.1, retry=Retry(attempts=1))
    def stubborn(job: JobContext) -> None:
        while job.cancel_reason is None:
            time.sleep(0.01)
        time.sleep(1.5)  # notices, and goes on all the same

    @queue.job
    async def after() -> None: ...

    async with working(app, settings):
        started = time.monotonic()
        first, second = await stubborn.enqueue(), await after.enqueue()
        assert (await first.ended(timeout=5)).state is State.DEAD
        given_up = time.monotonic() - started
        await second.result(timeout=5)
        waited = time.monotonic() - started
    assert given_up < 1.5 < waited


async def test_cancelling_a_waiting_job_ends_it_at_once(app: App, settings: Settings) -> None:
    queue = app.queue("waiting")

    @queue.job
    async def never() -> None: ...

    async with Client.open(app, settings):
        handle = await never.enqueue()
        assert await handle.cancel("not needed") is State.CANCELLED
        with pytest.raises(JobFailedError, match="cancelled: not needed"):
            await handle.result(timeout=1)


async def test_cancelling_a_running_job_reaches_it_in_a_full_worker_too(
    app: App, settings: Settings
) -> None:
    queue = app.queue("running", slots=1)
    started, told = asyncio.Event(), asyncio.Event()

    @queue.job
    async def wait(job: JobContext) -> None:
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            assert job.cancel_reason == "changed my mind"
            told.set()
            raise

    async with working(app, settings):
        handle = await wait.enqueue()
        await started.wait()
        asked_at = time.monotonic()
        assert await handle.cancel("changed my mind") is State.RUNNING
        record = await handle.ended(timeout=5)
        took = time.monotonic() - asked_at
    assert told.is_set()
    assert (record.state, record.reason) == (State.CANCELLED, "changed my mind")
    assert took < 1.0


async def test_a_handler_that_finishes_in_spite_of_a_cancel_has_succeeded(
    app: App, settings: Settings
) -> None:
    queue = app.queue("finishing")
    started = asyncio.Event()

    @queue.job
    async def finish() -> str:
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            return "done anyway"
        return "never"

    async with working(app, settings):
        handle = await finish.enqueue()
        await started.wait()
        await handle.cancel()
        assert await handle.result(timeout=5) == "done anyway"


async def test_a_job_no_handler_knows_is_parked_for_another_release(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "UNROUTABLE_DELAY", 0.05)
    old, new = App("test"), App("test")
    old.queue("rolling")
    queue = new.queue("rolling")

    @queue.job(name="rolling.novel")
    async def novel() -> str:
        return "known now"

    async with Client.open(new, settings):
        handle = await novel.enqueue()
        async with working(old, settings):
            async with asyncio.timeout(5):
                while (await handle.record()).deliveries < 2:  # noqa: ASYNC110 - parked, met again
                    await asyncio.sleep(0.01)
        async with working(new, settings):
            assert await handle.result(timeout=5) == "known now"
            assert (await handle.record()).attempt == 1


async def test_a_job_nobody_comes_to_know_is_dead_with_a_clear_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "UNROUTABLE_DELAY", 0.05)
    monkeypatch.setattr(attempts, "UNROUTABLE_GRACE", 0.1)
    old, new = App("test"), App("test")
    old.queue("rolling")
    queue = new.queue("rolling")

    @queue.job(name="rolling.novel")
    async def novel() -> None: ...

    async with Client.open(new, settings):
        handle = await novel.enqueue()
    async with working(old, settings) as client:
        record = await client.handle(handle.id).ended(timeout=5)
    assert record.state is State.DEAD
    assert "queue 'rolling' has no job 'rolling.novel'" in str(record.errors[-1]["message"])


async def test_a_payload_of_another_release_is_parked_likewise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "UNROUTABLE_DELAY", 0.05)
    monkeypatch.setattr(attempts, "UNROUTABLE_GRACE", 0.1)
    old, new = App("test"), App("test")
    old_queue, new_queue = old.queue("rolling"), new.queue("rolling")

    @old_queue.job(name="rolling.measure")
    async def measure_number(value: int) -> None: ...

    @new_queue.job(name="rolling.measure")
    async def measure_text(value: str) -> None: ...

    async with Client.open(new, settings):
        handle = await measure_text.enqueue("long")
    async with working(old, settings) as client:
        record = await client.handle(handle.id).ended(timeout=5)
    assert record.state is State.DEAD
    assert "Expected `int`, got `str`" in str(record.errors[-1]["message"])


async def test_a_result_too_large_to_keep_ends_the_job_with_advice(
    app: App, settings: Settings
) -> None:
    queue = app.queue("large")

    @queue.job
    async def large() -> str:
        return "x" * 2_000_000

    async with working(app, settings):
        with pytest.raises(JobFailedError, match="put the data into objects"):
            await (await large.enqueue()).result(timeout=5)


async def test_a_server_without_memory_is_waited_out(app: App, settings: Settings) -> None:
    queue = app.queue("crowded")

    @queue.job
    async def work() -> str:
        return "done"

    async with working(app, settings) as client:
        await client.valkey.call("CONFIG", "SET", "maxmemory", "1mb")
        with pytest.raises(BackendUnavailableError, match="OOM"):
            await work.enqueue()
        await client.valkey.call("CONFIG", "SET", "maxmemory", "0")
        assert await (await work.enqueue()).result(timeout=5) == "done"
