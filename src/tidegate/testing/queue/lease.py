"""The right to run a job ends by itself, and nothing is accepted from who has lost it."""

import pytest

from tidegate.channels.backend import Writer
from tidegate.errors import StaleAttemptError
from tidegate.jobs.backend import Crash, Release
from tidegate.jobs.job import State
from tidegate.testing.queue.under_test import (
    LEASE,
    QueuesUnderTest,
    claimed,
    claimed_ids,
    done,
    enqueued,
    failed,
    new,
    policy,
    renewed,
    report,
    running,
    settled,
    shown,
    state,
)


async def swept(queues: QueuesUnderTest) -> None:
    """Sweep, and let the back-off after a first crash pass."""
    await queues.backend.sweep(["work"])
    await queues.elapse(5.0)


class LeaseContract:
    async def test_a_lapsed_job_goes_to_another_worker_after_a_sweep(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        await queues.elapse(LEASE)
        report = await queues.backend.sweep(["work"])
        assert (report.lapsed, report.quarantined) == (1, 0)
        assert report.next_due_in is not None
        assert 0 < report.next_due_in <= 5.0
        await queues.elapse(report.next_due_in)
        (again,) = await claimed(queues, "w2")
        assert (again.attempt, again.crashes, again.deliveries) == (1, 1, 2)
        assert again.fence > claim.fence

    async def test_a_lease_ends_on_time_although_nobody_sweeps(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        await queues.elapse(LEASE - 0.001)
        assert await queues.backend.holds("a", claim.fence)
        await queues.elapse(0.001)
        assert not await queues.backend.holds("a", claim.fence)
        assert await settled(queues, done(claim)) == [False]
        assert await settled(queues, failed(claim)) == [False]
        assert await settled(queues, Release(id="a", fence=claim.fence)) == [False]
        assert not await queues.backend.progress("a", claim.fence, b"1")
        assert not await queues.backend.checkpoint("a", claim.fence, b"1")
        assert await queues.backend.remember("a", claim.fence, "s", b"1") is None
        assert renewed(queues, claim) == "l"
        with pytest.raises(StaleAttemptError):
            await queues.channels.append("job:a", [b"{}"], writer=Writer("a", claim.fence))

    async def test_renewing_extends_the_lease(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a"))
        for _ in range(3):
            await queues.elapse(LEASE - 1.0)
            assert renewed(queues, claim) == "o"
        assert (await queues.backend.sweep(["work"])).lapsed == 0
        assert await settled(queues, done(claim)) == [True]

    async def test_renewals_are_judged_one_by_one(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a"), new("b"), new("c"))
        one, two, three = await claimed(queues)
        await settled(queues, done(two))
        await queues.backend.cancel("c", "enough")
        held = [(claim.id, claim.fence) for claim in (one, two, three)]
        renewal = queues.backend.renew(report(), held)
        assert renewal.verdicts == "olc"
        assert renewal.reasons == {"c": "enough"}

    async def test_a_zombie_is_refused_while_its_successor_runs(
        self, queues: QueuesUnderTest
    ) -> None:
        zombie = await running(queues, new("a"))
        await queues.elapse(LEASE)
        await swept(queues)
        (heir,) = await claimed(queues, "w2")
        assert await settled(queues, done(zombie, result=b"0")) == [False]
        assert renewed(queues, zombie) == "l"
        assert renewed(queues, heir, worker="w2") == "o"
        assert await settled(queues, done(heir, result=b"1")) == [True]
        assert await settled(queues, done(zombie, result=b"0")) == [False]
        assert (await shown(queues, "a")).result == b"1"

    async def test_only_the_lapsed_ones_are_taken_back(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a"))
        await queues.elapse(LEASE / 2)
        kept = await running(queues, new("b"))
        await queues.elapse(LEASE / 2)
        assert (await queues.backend.sweep(["work"])).lapsed == 1
        assert await settled(queues, done(kept)) == [True]

    async def test_a_job_that_kills_its_workers_is_quarantined(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a", policy=policy(crashes=2), payload=b"1"))
        for crashes in range(2):
            (claim,) = await claimed(queues)
            assert claim.crashes == crashes
            await queues.elapse(LEASE)
            await swept(queues)
        record = await shown(queues, "a")
        assert (record.state, record.crashes, record.attempt) == (State.QUARANTINED, 2, 0)
        assert record.payload == b"1"
        assert record.reason
        assert await claimed_ids(queues) == []

    async def test_crashes_and_failures_are_counted_apart(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a"))
        await queues.elapse(LEASE)
        await swept(queues)
        (claim,) = await claimed(queues)
        await settled(queues, failed(claim, retry_in=0.0))
        (claim,) = await claimed(queues)
        assert (claim.attempt, claim.crashes, claim.deliveries) == (2, 1, 3)

    async def test_a_job_may_ask_not_to_run_again_after_a_crash(
        self, queues: QueuesUnderTest
    ) -> None:
        await running(queues, new("a", policy=policy(on_crash="fail")))
        await queues.elapse(LEASE)
        await swept(queues)
        record = await shown(queues, "a")
        assert record.state is State.DEAD
        assert "w1" in (record.reason or "")
        assert await claimed_ids(queues) == []

    async def test_a_worker_may_tell_of_a_crash_itself(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a", policy=policy(crashes=2)))
        crash = Crash(id="a", fence=claim.fence, reason="killed by signal 9")
        assert await settled(queues, crash, crash) == [True, False]
        assert (await shown(queues, "a")).reason == "killed by signal 9"
        await queues.elapse(5.0)
        (again,) = await claimed(queues)
        assert (again.attempt, again.crashes) == (1, 1)
        await settled(queues, Crash(id="a", fence=again.fence, reason="once more"))
        assert await state(queues, "a") is State.QUARANTINED

    async def test_a_sweep_that_comes_late_judges_no_lease(self, queues: QueuesUnderTest) -> None:
        await queues.backend.sweep(["work"], patience=5.0)
        claim = await running(queues, new("a"))
        await queues.elapse(LEASE)
        assert (await queues.backend.sweep(["work"], patience=5.0)).lapsed == 0
        await queues.elapse(1.0)
        assert (await queues.backend.sweep(["work"], patience=5.0)).lapsed == 1
        assert await settled(queues, done(claim)) == [False]

    async def test_sweeps_of_many_at_once_judge_a_lease_once(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a"))
        await queues.elapse(LEASE)
        reports = [await each.sweep(["work"]) for each in (queues.backend, queues.other)]
        assert sum(report.lapsed for report in reports) == 1
        assert (await shown(queues, "a")).crashes == 1
        assert await state(queues, "a") is State.SCHEDULED

    async def test_a_sweep_has_a_bound_and_says_when_more_is_left(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, *(new(f"j{n}") for n in range(5)))
        await claimed(queues)
        await queues.elapse(LEASE)
        report = await queues.backend.sweep(["work"], limit=3)
        assert (report.lapsed, report.next_due_in) == (3, 0.0)
        assert (await queues.backend.sweep(["work"], limit=3)).lapsed == 2
