"""The orchestrator on a real Valkey: woken, led by one, never in the way of the busy."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tidegate import App, QueueDepth
from tidegate.client import Client
from tidegate.clock import SYSTEM
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.errors import TidegateError
from tidegate.ids import new_id
from tidegate.jobs.backend import WorkerReport
from tidegate.launchers.launcher import Phase, Task
from tidegate.scaling import census, leadership
from tidegate.scaling import orchestrator as module
from tidegate.scaling.board import decisions, statuses
from tidegate.scaling.leadership import LEASE
from tidegate.scaling.orchestrator import Orchestrator
from tidegate.scaling.status import CHANNEL, Status
from tidegate.settings import Settings
from tidegate.spec import WorkerSpec

app = App("test")
videos = app.queue("videos", scale=QueueDepth(messages_per_task=5, min=0, max=10))
always = app.queue("always", scale=QueueDepth(messages_per_task=5, min=1, max=10))


@videos.job
async def transcribe(video: str) -> None: ...


@videos.job(timeout=1.0)
async def stubborn() -> None: ...


@dataclass
class Recorded:
    """A launcher that keeps what it was asked for, and whose tasks do what the test says."""

    kept: dict[str, Task] = field(default_factory=dict)
    refusal: str | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    change: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self, worker: WorkerSpec, count: int, *, leaves: bool) -> list[Task]:
        if self.refusal is not None:
            raise TidegateError(self.refusal)
        tasks = [
            Task(
                id=new_id(),
                worker=worker.name,
                phase=Phase.RUNNING,
                started_at=SYSTEM.now(),
                leaves=leaves,
            )
            for _ in range(count)
        ]
        self.kept.update({task.id: task for task in tasks})
        self.started.set()
        return tasks

    async def tasks(self) -> Sequence[Task]:
        return list(self.kept.values())

    async def stop(self, task: str, reason: str) -> None:
        self.set(task, phase=Phase.STOPPING, stop_reason=reason)

    async def changed(self, seconds: float) -> None:
        await asyncio.wait_for(self.change.wait(), None)
        self.change.clear()

    def set(self, task: str, **changes: object) -> None:
        self.kept[task] = msgspec.structs.replace(self.kept[task], **changes)
        self.change.set()

    def of(self, worker: str) -> list[Task]:
        return [task for task in self.kept.values() if task.worker == worker]


@pytest.fixture
async def client(server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Client]:
    settings = Settings(valkey_url=server.url, objects_url=tmp_path.as_uri())
    async with Client.open(app, settings) as opened:
        yield opened


@pytest.fixture
def launcher() -> Recorded:
    return Recorded()


@pytest.fixture
def orchestrator(client: Client, launcher: Recorded) -> Orchestrator:
    return replica(client, launcher)


def replica(client: Client, launcher: Recorded) -> Orchestrator:
    return Orchestrator(
        app.spec,
        queues=client.queue_backend,
        channels=client.channels.backend,
        valkey=client.valkey,
        launcher=launcher,
    )


def report(client: Client, task: Task, *, busy: int = 0) -> None:
    told = WorkerReport(
        worker=f"w-{task.id}", task=task.id, queues=[task.worker], slots=5, busy=busy
    )
    client.queue_backend.renew(told, [])


async def test_tasks_are_started_for_the_depth_and_the_minimum(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await client.enqueue_many(transcribe, [("v",)] * 11)
    await look(orchestrator)
    assert [task.leaves for task in launcher.of("videos")] == [True, True, True]
    assert [task.leaves for task in launcher.of("always")] == [False]


async def test_tasks_that_still_start_are_not_started_twice(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await client.enqueue_many(transcribe, [("v",)] * 5)
    await look(orchestrator)
    await look(orchestrator)
    assert len(launcher.of("videos")) == 1


async def test_no_task_is_stopped_when_fewer_are_wanted(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    handles = await client.enqueue_many(transcribe, [("v",)] * 10)
    await look(orchestrator)
    for task in launcher.of("videos"):
        report(client, task, busy=5)
    for handle in handles:
        await handle.cancel()
    await look(orchestrator)
    assert {task.phase for task in launcher.of("videos")} == {Phase.RUNNING}


async def test_an_enqueue_wakes_it_long_before_the_next_look(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    async with running(orchestrator):
        await orchestrator.leadership.held.wait()
        await launcher.started.wait()
        launcher.started.clear()
        for task in launcher.of("always"):
            report(client, task)
        await until_idle(orchestrator)
        began = SYSTEM.monotonic()
        await transcribe.enqueue("v")
        await launcher.started.wait()
        assert SYSTEM.monotonic() - began < 1.0
        assert len(launcher.of("videos")) == 1


async def test_one_replica_leads_and_another_follows_within_five_seconds_of_its_death(
    client: Client, launcher: Recorded
) -> None:
    first, second = replica(client, launcher), replica(client, launcher)
    killed = asyncio.create_task(dying(first))
    await first.leadership.held.wait()
    async with running(second):
        killed.cancel()
        await asyncio.wait([killed])
        began = SYSTEM.monotonic()
        await second.leadership.held.wait()
        assert LEASE / 2 < SYSTEM.monotonic() - began < 5.0


async def test_a_leader_that_leaves_in_order_is_followed_at_once(
    client: Client, launcher: Recorded
) -> None:
    first, second = replica(client, launcher), replica(client, launcher)
    async with running(first):
        await first.leadership.held.wait()
    async with running(second):
        async with asyncio.timeout(LEASE / 2):
            await second.leadership.held.wait()


async def test_the_status_is_published_on_change_and_kept(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await look(orchestrator)
    async with client.subscribe([CHANNEL]) as events:
        await client.enqueue_many(transcribe, [("v",)] * 3)
        await look(orchestrator)
        told = msgspec.json.decode((await anext(events)).data, type=Status)
    assert (told.worker, told.queue.depth, told.tasks.desired) == ("videos", 3, 1)
    kept = {status.worker: status for status in await statuses(client.valkey)}
    assert kept["videos"] == told
    assert kept["always"].tasks.min == 1


async def test_those_who_wait_are_told_that_a_task_starts(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await transcribe.enqueue("v")
    await look(orchestrator)
    await look(orchestrator)
    kept = {status.worker: status for status in await statuses(client.valkey)}
    assert kept["videos"].waiting.reason == "task starting, 0 s"
    assert kept["videos"].tasks.starting == 1


async def test_starts_that_fail_are_tried_later_and_the_reason_is_told(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await transcribe.enqueue("v")
    await look(orchestrator)
    (task,) = launcher.of("videos")
    launcher.set(
        task.id,
        phase=Phase.STOPPED,
        stopped_at=SYSTEM.now(),
        exit_code=1,
        stop_reason="exited with status 1",
    )
    await look(orchestrator)
    assert len(launcher.of("videos")) == 1
    kept = {status.worker: status for status in await statuses(client.valkey)}
    reason = kept["videos"].waiting.reason or ""
    assert reason.startswith("a task failed to start (exited with status 1); next try in")


async def test_a_launcher_that_refuses_is_asked_again_later(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    launcher.refusal = "no capacity"
    await transcribe.enqueue("v")
    await look(orchestrator)
    launcher.refusal = None
    await look(orchestrator)
    assert launcher.of("videos") == []
    kept = {status.worker: status for status in await statuses(client.valkey)}
    assert "no capacity" in (kept["videos"].waiting.reason or "")


async def test_a_task_that_fell_silent_is_stopped_and_replaced(
    client: Client,
    launcher: Recorded,
    orchestrator: Orchestrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await look(orchestrator)
    (task,) = launcher.of("always")
    report(client, task)
    await look(orchestrator)
    await client.valkey.call("DEL", f"{client.valkey.prefix}workers")
    monkeypatch.setattr(client.queue_backend, "workers", nobody)
    await look(orchestrator)
    assert launcher.kept[task.id].stop_reason == "its reports have stopped"
    await look(orchestrator)
    assert len(launcher.of("always")) == 2


async def test_a_task_that_cannot_stop_a_job_long_after_its_timeout_is_stopped(
    client: Client,
    launcher: Recorded,
    orchestrator: Orchestrator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    handle = await stubborn.enqueue()
    await look(orchestrator)
    (task,) = launcher.of("videos")
    report(client, task, busy=1)
    await client.queue_backend.exchange(f"w-{task.id}", queues=["videos"], limit=1)
    monkeypatch.setattr(census, "RUNAWAY_GRACE", -10.0)
    await look(replica(client, launcher))
    assert launcher.kept[task.id].stop_reason == f"job {handle.id} ran on, long after its timeout"


async def test_a_worker_no_longer_declared_is_no_longer_told_of(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await client.valkey.call("HSET", f"{client.valkey.prefix}status", "gone", "{}")
    async with running(orchestrator):
        await launcher.started.wait()
    kept = await client.valkey.call("HKEYS", f"{client.valkey.prefix}status")
    assert b"gone" not in kept


async def test_decisions_are_recorded_with_their_reason(
    client: Client, launcher: Recorded, orchestrator: Orchestrator
) -> None:
    await client.enqueue_many(transcribe, [("v",)] * 6)
    await look(orchestrator)
    (found,) = await decisions(client.valkey, "videos")
    assert (found.depth, found.desired, found.started) == (6, 2, 2)
    assert found.reason == "6 jobs at 5 per task is 2"


async def test_a_replica_that_was_stopped_beyond_its_lease_starts_nothing(
    client: Client, launcher: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = replica(client, launcher)
    await stopped.leadership.hold()
    monkeypatch.setattr(leadership, "LEASE", 0.0)
    await transcribe.enqueue("v")
    await stopped._steering.look()
    assert launcher.kept == {}


async def look(orchestrator: Orchestrator) -> None:
    """Have an orchestrator lead, whoever did before, and look once."""
    valkey = orchestrator.leadership._valkey
    await valkey.call("DEL", f"{valkey.prefix}hold:orchestrator")
    await orchestrator.leadership.hold()
    await orchestrator._steering.look()


async def nobody() -> list[WorkerReport]:
    return []


def running(orchestrator: Orchestrator) -> "Owned":
    return Owned(orchestrator)


class Owned:
    """Runs an orchestrator for as long as the context lasts."""

    def __init__(self, orchestrator: Orchestrator) -> None:
        self._orchestrator = orchestrator

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._orchestrator.run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def dying(orchestrator: Orchestrator) -> None:
    """Run one that keeps its lease when it is cancelled, as if its process had been killed."""

    async def nothing() -> None: ...

    orchestrator.leadership.give_up = nothing  # type: ignore[method-assign]
    await orchestrator.run()


async def until(condition: object) -> None:
    async with asyncio.timeout(10):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # state that tells nobody when it changes


async def until_idle(orchestrator: Orchestrator) -> None:
    await until(lambda: orchestrator._interval == module._LOOK_IDLE)
