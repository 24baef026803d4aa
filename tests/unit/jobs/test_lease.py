"""The lease keeper: what it renews, when it gives up, and what it tells its worker."""

from collections.abc import Callable, Sequence

import pytest

from tidegate.errors import BackendUnavailableError
from tidegate.jobs.attempt import Stop
from tidegate.jobs.backend import Renewal
from tidegate.jobs.job import Claim, JobPolicy
from tidegate.jobs.lease import Fence, Held, LeaseKeeper, Verdicts, held_until

LEASE = 30.0


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Owner:
    """A worker as its keeper sees it: what it holds, and what it was told."""

    def __init__(self, clock: HandClock) -> None:
        self.jobs: list[Held] = []
        self.told: list[Verdicts] = []
        self.gave_up = False
        self.stuck = False
        self.answer: Callable[[Sequence[Held]], Renewal] = lambda held: Renewal(
            verdicts="o" * len(held)
        )
        self.keeper = LeaseKeeper(self, lease=LEASE, clock=clock, chance=lambda: 0.5)

    def held(self) -> list[Held]:
        return self.jobs

    def renew(self, held: Sequence[Held]) -> Renewal:
        return self.answer(held)

    def judge(self, verdicts: Verdicts) -> None:
        self.told.append(verdicts)
        self.jobs = [job for job in self.jobs if job not in verdicts.lost]

    def is_stuck(self, now: float) -> bool:
        return self.stuck

    def give_up(self) -> None:
        self.gave_up = True


def a_job(clock: HandClock, name: str = "a") -> Held:
    claim = Claim(name, "q", "n", b"null", 1, 1, 0, 1, JobPolicy(), 0.0, 0.0)
    return Held(claim, lease=LEASE, claimed_at=clock.monotonic())


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def owner(clock: HandClock) -> Owner:
    return Owner(clock)


def test_a_renewal_counts_from_when_it_was_sent(owner: Owner, clock: HandClock) -> None:
    job = a_job(clock)
    owner.jobs = [job]

    def slow(held: Sequence[Held]) -> Renewal:
        clock.time += 4
        return Renewal(verdicts="o")

    owner.answer = slow
    assert owner.keeper.round() == LEASE / 3
    assert job.until == held_until(1000.0, LEASE)
    assert owner.told == []


def test_lost_and_cancelled_jobs_are_told_apart(owner: Owner, clock: HandClock) -> None:
    kept, lost, cancelled = jobs = [a_job(clock, name) for name in "abc"]
    owner.jobs = list(jobs)
    owner.answer = lambda _: Renewal(verdicts="olc", reasons={"c": "not needed"})
    clock.time += 10
    owner.keeper.round()
    (verdicts,) = owner.told
    assert list(verdicts.lost) == [lost]
    assert list(verdicts.cancelled) == [(cancelled, "not needed")]
    assert kept.until > lost.until


def test_without_renewals_a_job_is_stopped_before_the_server_lets_it_lapse(
    clock: HandClock,
) -> None:
    job = a_job(clock)
    fence = Fence(lambda: [job], clock)
    claimed = clock.time
    while job.stop is None:
        assert clock.time < claimed + LEASE
        clock.time += fence.look() + 0.001
    assert job.stop is Stop.LOST


def test_a_process_that_was_stopped_writes_nothing_more(clock: HandClock) -> None:
    job = a_job(clock)
    clock.time += 2 * LEASE
    assert job.has_passed(clock.time)


def test_a_keeper_that_gets_no_answer_asks_again_soon(owner: Owner, clock: HandClock) -> None:
    job = a_job(clock)
    owner.jobs = [job]

    def away(_: Sequence[Held]) -> Renewal:
        raise BackendUnavailableError("away")

    owner.answer = away
    assert owner.keeper.round() == 1.0
    assert job.until == held_until(1000.0, LEASE)


def test_a_worker_that_is_stuck_while_the_server_answers_is_ended(owner: Owner) -> None:
    owner.stuck = True
    owner.keeper.round()
    assert owner.gave_up


def test_the_first_reason_to_stop_stays_unless_the_lease_is_lost(clock: HandClock) -> None:
    job = a_job(clock)
    interruptions: list[int] = []
    job.interrupt = lambda: interruptions.append(1)
    job.ask(Stop.TIMEOUT, "too long")
    job.ask(Stop.CANCEL, "not needed")
    assert (job.stop, job.reason) == (Stop.TIMEOUT, "too long")
    job.ask(Stop.LOST, "gone")
    assert (job.stop, job.reason) == (Stop.LOST, "gone")
    assert len(interruptions) == 1


def test_a_settled_job_is_asked_nothing(clock: HandClock) -> None:
    job = a_job(clock)
    job.is_settled = True
    job.ask(Stop.LOST, "gone")
    assert job.stop is None
