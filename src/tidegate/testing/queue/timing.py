"""Due times, deadlines, dedupe windows and how long records are kept."""

from tidegate.jobs.job import Enqueued, State
from tidegate.testing.queue.under_test import (
    LEASE,
    QueuesUnderTest,
    claimed,
    claimed_ids,
    done,
    enqueued,
    exchanged,
    failed,
    new,
    policy,
    running,
    settled,
    shown,
    state,
)

YEAR = 365 * 86_400.0


class TimingContract:
    # Due times

    async def test_a_job_waits_for_its_time(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", due_in=10.0))
        answer = await exchanged(queues)
        assert (answer.claims, answer.next_due_in) == ([], 10.0)
        assert await state(queues, "a") is State.SCHEDULED
        await queues.elapse(9.999)
        assert await claimed_ids(queues) == []
        await queues.elapse(0.001)
        (claim,) = await claimed(queues)
        assert claim.ready_at - claim.enqueued_at == 10.0

    async def test_a_job_may_be_due_in_years(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", due_in=3 * YEAR))
        await queues.elapse(3 * YEAR - 1.0)
        assert (await exchanged(queues)).next_due_in == 1.0
        await queues.elapse(1.0)
        assert await claimed_ids(queues) == ["a"]

    async def test_due_jobs_come_in_the_order_of_their_times(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"in {n}", due_in=float(n)) for n in (3, 1, 2)))
        await queues.elapse(5.0)
        await enqueued(queues, new("now"))
        assert await claimed_ids(queues) == ["in 1", "in 2", "in 3", "now"]

    async def test_a_sweep_promotes_where_no_worker_looks(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", due_in=1.0))
        assert (await queues.backend.sweep(["work"])).next_due_in == 1.0
        await queues.elapse(1.0)
        assert (await queues.backend.sweep(["work"])).promoted == 1
        assert await state(queues, "a") is State.READY

    # Deadlines to start

    async def test_a_job_not_started_in_time_expires(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", start_within=10.0), new("b", start_within=11.0))
        await queues.elapse(10.0)
        assert await claimed_ids(queues) == ["b"]
        assert await state(queues, "a") is State.EXPIRED

    async def test_a_sweep_expires_wherever_a_job_waits(self, queues: QueuesUnderTest) -> None:
        await enqueued(
            queues,
            new("ready", start_within=10.0),
            new("scheduled", start_within=10.0, due_in=20.0),
            new("head", key="k"),
            new("pending", key="k", start_within=10.0),
            new("last", key="k"),
        )
        await queues.elapse(10.0)
        assert (await queues.backend.sweep(["work"])).expired == 3
        for job in ("ready", "scheduled", "pending"):
            assert await state(queues, job) is State.EXPIRED
        (head,) = await claimed(queues)
        assert [claim.id for claim in (await exchanged(queues, done(head))).claims] == ["last"]

    async def test_a_job_that_started_in_time_may_be_retried_later(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a", start_within=10.0))
        await settled(queues, failed(claim, retry_in=20.0))
        await queues.elapse(20.0)
        await queues.backend.sweep(["work"])
        (again,) = await claimed(queues)
        assert again.attempt == 2

    async def test_a_redriven_job_has_no_deadline_any_more(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", start_within=10.0))
        await queues.elapse(10.0)
        await queues.backend.sweep(["work"])
        assert await queues.backend.redrive(["a"]) == 1
        await queues.backend.sweep(["work"])
        assert await claimed_ids(queues) == ["a"]

    # Dedupe

    async def test_a_dedupe_id_is_free_again_when_its_job_has_ended(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a", dedupe="d"))
        assert await queues.backend.enqueue([new("b", dedupe="d")]) == [
            Enqueued("a", created=False)
        ]
        assert await queues.backend.get("b") is None
        await settled(queues, failed(claim, retry_in=1.0))
        assert not (await queues.backend.enqueue([new("b", dedupe="d")]))[0].created
        await queues.elapse(1.0)
        (claim,) = await claimed(queues)
        await settled(queues, done(claim))
        await enqueued(queues, new("b", dedupe="d"))

    async def test_a_window_outlasts_its_job_and_then_ends(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a", dedupe="d", dedupe_window=60.0))
        await settled(queues, done(claim))
        await queues.elapse(59.999)
        again = await queues.backend.enqueue([new("b", dedupe="d", dedupe_window=60.0)])
        assert again == [Enqueued("a", created=False)]
        await queues.elapse(0.001)
        await enqueued(queues, new("c", dedupe="d", dedupe_window=60.0))
        await queues.backend.sweep(["work"])
        again = await queues.backend.enqueue([new("e", dedupe="d", dedupe_window=60.0)])
        assert again == [Enqueued("c", created=False)]

    async def test_duplicates_within_one_call_are_found(self, queues: QueuesUnderTest) -> None:
        answers = await queues.backend.enqueue([new("a", dedupe="d"), new("b", dedupe="d")])
        assert answers == [Enqueued("a", created=True), Enqueued("a", created=False)]

    async def test_dedupe_ids_of_two_queues_are_apart(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", dedupe="d"), new("b", "strict", dedupe="d"))

    async def test_a_cancelled_or_expired_job_frees_its_dedupe_id(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a", dedupe="d"), new("b", dedupe="e", start_within=1.0))
        await queues.backend.cancel("a", "not needed")
        await queues.elapse(1.0)
        await queues.backend.sweep(["work"])
        await enqueued(queues, new("c", dedupe="d"), new("f", dedupe="e"))

    # Keeping

    async def test_ended_records_are_kept_as_long_as_their_policy_says(
        self, queues: QueuesUnderTest
    ) -> None:
        kept = policy(keep=60.0, keep_failed=120.0)
        await settled(queues, done(await running(queues, new("a", policy=kept))))
        await settled(queues, failed(await running(queues, new("b", policy=kept))))
        await queues.elapse(59.0)
        assert (await queues.backend.sweep(["work"])).pruned == 0
        assert (await shown(queues, "a")).result is None
        await queues.elapse(1.0)
        assert (await queues.backend.sweep(["work"])).pruned == 1
        assert await queues.backend.get("a") is None
        await queues.elapse(60.0)
        await queues.backend.sweep(["work"])
        assert await queues.backend.get("b") is None
        assert (await queues.backend.browse("work")).jobs == []
        assert (await queues.backend.stats(["work"]))[0].dead == 0

    async def test_a_live_record_is_kept_for_ever(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", policy=policy(keep=0.0, keep_failed=0.0), due_in=YEAR))
        await queues.elapse(YEAR)
        await queues.backend.sweep(["work"])
        (claim,) = await claimed(queues)
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        assert await queues.backend.get(claim.id) is not None
