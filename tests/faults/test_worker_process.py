"""Workers killed, stopped and cut off at named moments: nothing is lost, nothing stored twice."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from tidegate.client import Client
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.jobs.job import State
from tidegate.jobs.scheduler import Scheduler
from tidegate.runtime.target import load_app
from tidegate.settings import Settings
from tidegate.testing.ledger import Ledger

APP = Path(__file__).with_name("ledgered_app.py")
LEASE = 1.0

Process = asyncio.subprocess.Process


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setenv("LEDGER", str(tmp_path / "ledger"))
    return Ledger(tmp_path / "ledger")


@pytest.fixture
async def client(server: EmbeddedValkey, ledger: Ledger, tmp_path: Path) -> AsyncIterator[Client]:
    """The app's client, while a scheduler sweeps."""
    settings = Settings(valkey_url=server.url, objects_url=(tmp_path / "objects").as_uri())
    async with Client.open(load_app(str(APP)), settings) as client:
        sweeping = asyncio.create_task(Scheduler(client, sweep_every=0.1).run())
        yield client
        sweeping.cancel()
        await asyncio.wait((sweeping,))


class Workers:
    """Worker processes of the app; all are killed at the end."""

    def __init__(self, client: Client) -> None:
        self._environ = {**os.environ, **client.settings.environment()}
        self.started: list[Process] = []

    async def start(self, *options: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tidegate", "worker", str(APP), *options, env=self._environ
        )
        self.started.append(process)
        return process

    async def close(self) -> None:
        for process in self.started:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def workers(client: Client) -> AsyncIterator[Workers]:
    started = Workers(client)
    yield started
    await started.close()


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return once `condition` holds; a ledger and a process have nothing to wait on."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.01)


MOMENTS = ("before the effect", "after the effect", "after publishing", "after returning")


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_worker_killed_at_any_moment_loses_nothing_and_stores_one_result(
    client: Client, workers: Workers, ledger: Ledger, moment: str
) -> None:
    effect = client.app.find_job("ledgered.effect")
    first, _ = await workers.start(), await workers.start()
    others = [await effect.enqueue() for _ in range(20)]
    handle = await effect.enqueue(moment)
    fence = await handle.result(timeout=30)
    for other in others:
        await other.result(timeout=30)
    record = await handle.record()
    assert record.state is State.SUCCEEDED
    assert record.crashes <= 1  # after returning, the result may have been sent in time
    assert record.finished_at is not None
    assert record.finished_at - record.enqueued_at < LEASE + 5
    log = await client.replay(handle.channel)
    ends = [event for event in log.events if b'"state"' in event.data]
    assert len(ends) == 1
    assert ends[0] is log.events[-1]
    assert fence in [entry["fence"] for entry in ledger.entries("effect")]
    assert first.pid


async def test_a_crash_ends_a_job_that_must_not_run_twice_and_its_channel_says_so(
    client: Client, workers: Workers, ledger: Ledger
) -> None:
    fragile = client.app.find_job("ledgered.fragile")
    first = await workers.start()
    handle = await fragile.using(channel="terminal:1").enqueue()
    assert await first.wait() == -signal.SIGKILL
    await workers.start()
    record = await handle.ended(timeout=20)
    (end,) = (await client.replay("terminal:1")).events
    assert (record.state, record.crashes) == (State.DEAD, 1)
    assert b'"type":"exit","code":null' in end.data
    assert b"stopped renewing its lease" in end.data
    assert len(ledger.entries("started")) == 1


async def test_a_job_that_kills_its_workers_is_quarantined(
    client: Client, workers: Workers, ledger: Ledger
) -> None:
    poison = client.app.find_job("ledgered.poison")
    handle = await poison.enqueue()
    for _ in range(2):
        worker = await workers.start()
        assert await worker.wait() == -signal.SIGKILL
    record = await handle.ended(timeout=20)
    assert (record.state, record.crashes, record.attempt) == (State.QUARANTINED, 2, 0)
    assert len(ledger.entries("started")) == 2


async def test_a_worker_stopped_for_two_leases_neither_publishes_nor_completes(
    client: Client, workers: Workers, ledger: Ledger
) -> None:
    patient = client.app.find_job("ledgered.patient")
    frozen = await workers.start()
    handle = await patient.enqueue(1.5)
    await until(lambda: bool(ledger.entries("started")))
    frozen.send_signal(signal.SIGSTOP)
    await workers.start()
    fence = await handle.result(timeout=20)
    frozen.send_signal(signal.SIGCONT)
    await until(lambda: bool(ledger.entries("stopped")))
    record = await handle.record()
    log = await client.replay(handle.channel)
    assert (fence, record.crashes, record.state) == (2, 1, State.SUCCEEDED)
    assert record.result == b"2"
    assert [entry["fence"] for entry in ledger.entries("finished")] == [2]
    assert log.events[0].data == b'{"fence":2}'
    assert len(log.events) == 2


async def test_a_handler_that_blocks_the_loop_does_not_cost_its_lease(
    client: Client, workers: Workers
) -> None:
    blocking = client.app.find_job("ledgered.blocking")
    await workers.start()
    handle = await blocking.enqueue(3 * LEASE)
    assert await handle.result(timeout=20) == 1
    assert (await handle.record()).crashes == 0


async def test_valkey_killed_and_back_the_attempt_goes_on_and_is_settled(
    client: Client, workers: Workers, ledger: Ledger, server: EmbeddedValkey
) -> None:
    patient = client.app.find_job("ledgered.patient")
    await workers.start()
    handle = await patient.enqueue(0.5)
    await until(lambda: bool(ledger.entries("started")))
    assert server.process is not None
    server.process.kill()
    await server.process.wait()
    await server.start()
    await handle.result(timeout=20)
    again = await patient.enqueue(0.0)
    await again.result(timeout=20)
    assert (await again.record()).deliveries == 1


async def test_cut_off_from_valkey_a_worker_stops_its_jobs_before_others_may_have_them(
    client: Client, workers: Workers, ledger: Ledger, server: EmbeddedValkey
) -> None:
    patient = client.app.find_job("ledgered.patient")
    await workers.start()
    handle = await patient.enqueue(2.5 * LEASE)
    await until(lambda: bool(ledger.entries("started")))
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    await until(lambda: bool(ledger.entries("stopped")), seconds=2 * LEASE)
    server.process.send_signal(signal.SIGCONT)
    fence = await handle.result(timeout=20)
    assert [entry["fence"] for entry in ledger.entries("finished")] == [fence]
    assert (await handle.record()).crashes == 1


async def test_on_sigterm_a_worker_hands_back_within_its_budget_and_exits_well(
    client: Client, workers: Workers, ledger: Ledger
) -> None:
    patient = client.app.find_job("ledgered.patient")
    leaving = await workers.start()
    handle = await patient.enqueue(4.0)
    await until(lambda: bool(ledger.entries("started")))
    told = time.monotonic()
    leaving.terminate()
    assert await leaving.wait() == 0
    assert 1.0 <= time.monotonic() - told < 4.0
    record = await handle.record()
    assert (record.state, record.crashes, record.attempt) == (State.READY, 0, 0)
    await workers.start()
    assert await handle.result(timeout=20) == 2


async def test_a_second_sigterm_hands_back_at_once(
    client: Client, workers: Workers, ledger: Ledger
) -> None:
    patient = client.app.find_job("ledgered.patient")
    leaving = await workers.start()
    handle = await patient.enqueue(30.0)
    await until(lambda: bool(ledger.entries("started")))
    told = time.monotonic()
    leaving.terminate()
    await asyncio.sleep(0.1)  # two signals sent at once may arrive as one
    leaving.terminate()
    assert await leaving.wait() == 0
    assert time.monotonic() - told < 1.0
    assert await handle.state() is State.READY


async def test_a_worker_told_to_leaves_when_it_is_idle(client: Client, workers: Workers) -> None:
    effect = client.app.find_job("ledgered.effect")
    worker = await workers.start("--exit-when-idle=0.5")
    await (await effect.enqueue()).result(timeout=20)
    async with asyncio.timeout(10):
        assert await worker.wait() == 0
    assert await client.workers() == []


async def test_the_child_of_an_isolated_handler_ends_with_its_worker(
    client: Client, workers: Workers, ledger: Ledger
) -> None:
    isolated = client.app.find_job("ledgered.isolated")
    worker = await workers.start()
    await isolated.enqueue(60.0)
    await until(lambda: bool(ledger.entries("started")))
    child = ledger.entries("started")[0]["pid"]
    worker.kill()
    await worker.wait()
    await until(lambda: not psutil.pid_exists(child))
