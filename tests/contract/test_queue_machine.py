"""Random histories of a queue agree with a simple model, whatever is done and whenever."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tidegate.channels.backend import Writer
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.cursor import START
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.errors import IllegalTransitionError, StaleAttemptError
from tidegate.jobs.backend import (
    Cancelled,
    Complete,
    Crash,
    Fail,
    QueueSettings,
    Release,
    Settlement,
    WorkerReport,
)
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.jobs.job import (
    TERMINAL,
    WAITING,
    Claim,
    JobPolicy,
    JobRecord,
    NewJob,
    State,
)
from tidegate.testing.queue.model import Model

T = TypeVar("T")

LEASE = 30.0
WORKERS = st.sampled_from(["w1", "w2", "w3"])
POLICIES = st.sampled_from(
    [
        JobPolicy(crashes=2),
        JobPolicy(crashes=1, keep=20.0, keep_failed=40.0),
        JobPolicy(on_crash="fail"),
    ]
)
NEW = st.lists(
    st.fixed_dictionaries(
        {
            "lane": st.integers(0, 2),
            "key": st.sampled_from([None, None, "k1", "k2"]),
            "affinity": st.sampled_from([None, None, "a1", "a2"]),
            "dedupe": st.sampled_from([None, None, None, "d1"]),
            "window": st.sampled_from([None, 25.0]),
            "due_in": st.sampled_from([0.0, 0.0, 0.0, 5.0, 40.0]),
            "start_within": st.sampled_from([None, None, 12.0]),
            "policy": POLICIES,
        }
    ),
    min_size=2,
    max_size=5,
)
HOW = st.sampled_from(
    ["complete", "retry", "retry now", "die", "crash", "release", "snooze", "stop"]
)
APPS = count()


class QueueMachine(RuleBasedStateMachine):
    """Every rule does one thing to the backend and to the model, and compares the answers."""

    def __init__(self, runner: asyncio.Runner, url: str) -> None:
        super().__init__()
        self.runner = runner
        self.names = count()
        self.model = Model(now=1_700_000_000.0, lease=LEASE, concurrency=0)
        self.valkey = self.ask(Valkey.open(url, app=f"machine-{next(APPS)}"))
        self.queues = ValkeyQueues(self.valkey, now=self.now)
        self.channels = ValkeyChannels(self.valkey, now=self.now)

    def teardown(self) -> None:
        self.ask(self.queues.__aexit__())
        self.ask(self.valkey.close())

    def ask(self, answer: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(answer)

    def now(self) -> float:
        return self.model.now

    attempts: Bundle[Claim] = Bundle("attempts")
    jobs: Bundle[str] = Bundle("jobs")

    @initialize(target=jobs, concurrency=st.sampled_from([0, 0, 3]), first=NEW)
    def begin(self, concurrency: int, first: list[dict[str, Any]]) -> Any:
        self.model.concurrency = concurrency
        settings = QueueSettings(name="q", lease=LEASE, ageing=10.0, concurrency=concurrency)
        self.ask(self.queues.declare([settings]))
        return self.enqueue_all(first)

    # Producers

    @rule(target=jobs, options=NEW)
    def enqueue(self, options: list[dict[str, Any]]) -> Any:
        return self.enqueue_all(options)

    def enqueue_all(self, options: list[dict[str, Any]]) -> Any:
        jobs = [self.new(**each) for each in options]
        assert self.ask(self.queues.enqueue(jobs)) == [self.model.enqueue(new) for new in jobs]
        return multiple(*(new.id for new in jobs))

    def new(self, *, window: float | None, **options: Any) -> NewJob:
        return NewJob(
            id=f"j{next(self.names)}",
            queue="q",
            name="m",
            payload=b"{}",
            channel="ends",
            dedupe_window=window if options["dedupe"] else None,
            **options,
        )

    # Workers

    @rule(
        target=attempts,
        worker=WORKERS,
        limit=st.sampled_from([6, 3, 1, 0]),
        hows=st.lists(HOW, max_size=4),
    )
    def exchange(self, worker: str, limit: int, hows: list[str]) -> Any:
        mine = [job for job in self.model.of(State.RUNNING) if job.worker == worker]
        settle = [
            settlement_of(job.new.id, job.fence, how) for job, how in zip(mine, hows, strict=False)
        ]
        answer = self.ask(self.queues.exchange(worker, settle=settle, queues=["q"], limit=limit))
        assert answer.accepted == [self.model.settle(each) for each in settle]
        late = [job.new.id for job in self.model.of(*WAITING) if job.start_by is not None]
        expired = [job for job in late if self.shown(job) is State.EXPIRED]
        self.model.claimed(worker, limit, answer, expired)
        return multiple(*answer.claims)

    @rule(target=attempts, worker=WORKERS)
    def fill_up(self, worker: str) -> Any:
        return self.exchange(worker, 6, [])

    @rule(settled=st.lists(st.tuples(attempts, HOW), min_size=1, max_size=4))
    def settle_and_write_from_elsewhere(self, settled: list[tuple[Claim, str]]) -> None:
        self.write(settled[0][0])
        settlements = [settlement_of(claim.id, claim.fence, how) for claim, how in settled]
        answer = self.ask(self.queues.exchange("anyone", settle=settlements))
        assert answer.accepted == [self.model.settle(each) for each in settlements]

    def write(self, attempt: Claim) -> None:
        job, fence = attempt.id, attempt.fence
        held = self.model.holds(job, fence)
        assert self.ask(self.queues.holds(job, fence)) == held
        assert self.ask(self.queues.progress(job, fence, b"1")) == held
        assert (self.ask(self.queues.remember(job, fence, "s", b"1")) is not None) == held
        try:
            self.ask(self.channels.append(f"out:{job}", [b"1"], writer=Writer(job, fence)))
        except StaleAttemptError:
            assert not held
        else:
            assert held

    @rule(worker=WORKERS, data=st.data())
    def renew(self, worker: str, data: st.DataObject) -> None:
        running = self.model.of(State.RUNNING)
        held = [(job.new.id, job.fence) for job in running if job.worker == worker]
        stale = [(job, fence - 1) for job, fence in held if data.draw(st.booleans())]
        report = WorkerReport(worker=worker, task="t", queues=["q"], slots=9, busy=len(held))
        renewal = self.queues.renew(report, held + stale)
        assert renewal.verdicts == self.model.renewed(worker, held + stale)

    @rule(worker=WORKERS, affinity=st.sampled_from(["a1", "a2", None]))
    def let_go(self, worker: str, affinity: str | None) -> None:
        owner, epoch = self.model.owners.get(affinity or "", ("", 0))
        # Syncing comes after the last job; a worker never gives up what it runs.
        if affinity is not None and not self.runs(epoch=epoch):
            owned = self.ask(self.queues.owns_affinity("q", affinity, epoch))
            assert owned == self.model.owns(affinity, epoch)
            for who in (worker, owner):
                released = self.ask(self.queues.release_affinity(who, "q", affinity, epoch))
                assert released == self.model.release_affinity(who, affinity, epoch)
        elif affinity is None and not self.runs(worker=worker):
            self.ask(self.queues.leave(worker))
            self.model.leave(worker)

    def runs(self, **what: object) -> bool:
        running = self.model.of(State.RUNNING)
        return any(getattr(job, name) == value for job in running for name, value in what.items())

    # Time and people

    @rule(seconds=st.sampled_from([1.0, 4.0, 12.0, 30.0]))
    def elapse(self, seconds: float) -> None:
        self.model.now += seconds

    @rule()
    def sweep(self) -> None:
        self.ask(self.queues.sweep(["q"]))
        self.model.sweep()

    @rule(job=jobs, redriven=jobs, paused=st.sampled_from([True, False, False, False]))
    def meddle(self, job: str, redriven: str, *, paused: bool) -> None:
        self.cancel(job)
        if redriven in self.model.jobs:
            assert self.ask(self.queues.redrive([redriven])) == self.model.redrive(redriven)
        self.model.paused = paused
        self.ask(self.queues.pause("q", paused=paused))

    def cancel(self, job: str) -> None:
        if job not in self.model.jobs:
            return
        ended = self.model.jobs[job].state in TERMINAL
        try:
            state = self.ask(self.queues.cancel(job, "asked to"))
        except IllegalTransitionError:
            assert ended
        else:
            assert not ended
            assert state is self.model.cancel(job, "asked to")

    # What always holds

    async def records(self) -> list[JobRecord | None]:
        return await asyncio.gather(*(self.queues.get(job) for job in self.model.jobs))

    def shown(self, job: str) -> State | None:
        record = self.ask(self.queues.get(job))
        return record.state if record else None

    @invariant()
    def every_record_is_as_it_should_be(self) -> None:
        records = self.ask(self.records())
        for (name, job), record in zip(self.model.jobs.items(), records, strict=True):
            assert record is not None, name
            assert record.state is job.state, (name, job.states)
            assert record.crashes == job.crashes
            assert record.deliveries == job.fence - job.fence_before
            ran = job.state in {State.RUNNING, State.SUCCEEDED}
            assert record.attempt == job.failures + ran

    @invariant()
    def the_counts_add_up(self) -> None:
        (stats,) = self.ask(self.queues.stats(["q"]))
        assert stats.ready + stats.bound == len(self.model.of(State.READY))
        assert stats.running == len(self.model.of(State.RUNNING))
        assert stats.scheduled == len(self.model.of(State.SCHEDULED))
        assert stats.pending == len(self.model.of(State.PENDING))
        assert stats.dead == len(self.model.of(State.DEAD))
        assert stats.quarantined == len(self.model.of(State.QUARANTINED))

    @precondition(lambda self: self.model.concurrency)
    @invariant()
    def no_more_run_than_may(self) -> None:
        assert len(self.model.of(State.RUNNING)) <= self.model.concurrency

    @invariant()
    def every_end_is_told_once(self) -> None:
        replay = self.ask(self.channels.replay("ends", START))
        told = Counter(msgspec.json.decode(event.data)["job"] for event in replay.events)
        assert told == self.model.ends

    @invariant()
    def no_two_live_jobs_share_a_dedupe_id(self) -> None:
        live = [job for job in self.model.jobs.values() if job.state not in TERMINAL]
        ids = Counter(job.new.dedupe for job in live if job.new.dedupe_window is None)
        assert all(times == 1 for dedupe, times in ids.items() if dedupe is not None)


def settlement_of(job: str, fence: int, how: str) -> Settlement:
    match how:
        case "complete":
            return Complete(id=job, fence=fence, result=b"1")
        case "retry" | "retry now":
            return Fail(id=job, fence=fence, error=b"{}", retry_in=4.0 if how == "retry" else 0.0)
        case "die":
            return Fail(id=job, fence=fence, error=b"{}")
        case "crash":
            return Crash(id=job, fence=fence, reason="crashed")
        case "release" | "snooze":
            return Release(id=job, fence=fence, delay=6.0 if how == "snooze" else 0.0)
    return Cancelled(id=job, fence=fence, reason="stopped")


@pytest.mark.parametrize(
    "examples", [100, pytest.param(2000, marks=[pytest.mark.chaos, pytest.mark.timeout(1800)])]
)
def test_a_queue_does_what_the_model_says(tmp_path: Path, examples: int) -> None:
    server = EmbeddedValkey(tmp_path / "valkey", append_only=False)
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            run_state_machine_as_test(
                lambda: QueueMachine(runner, server.url),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=60,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(server.stop())
