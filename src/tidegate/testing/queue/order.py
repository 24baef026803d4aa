"""Who goes first: order within a queue, priorities that age, keys."""

from tidegate.jobs.backend import Release
from tidegate.jobs.job import State
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
    running,
    settled,
    state,
)


class OrderContract:
    # Within a queue

    async def test_the_oldest_is_first_whatever_its_id(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("z"), new("m"))
        await enqueued(queues, new("a"), new("j10"), new("j9"))
        assert await claimed_ids(queues) == ["z", "m", "a", "j10", "j9"]

    # Priorities

    async def test_urgent_jobs_come_before_older_ones(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("low", lane=2), new("mid", lane=1))
        await queues.elapse(1.0)
        await enqueued(queues, new("top", lane=0))
        assert await claimed_ids(queues) == ["top", "mid", "low"]

    async def test_waiting_lifts_a_job_by_one_priority(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("old", lane=1), new("older", lane=2))
        await queues.elapse(59.0)
        await enqueued(queues, new("young", lane=0))
        await queues.elapse(2.0)
        await enqueued(queues, new("newest", lane=0))
        assert await claimed_ids(queues) == ["young", "old", "newest", "older"]

    async def test_without_ageing_a_lower_lane_waits(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("old", "strict", lane=1))
        await queues.elapse(86_400.0)
        await enqueued(queues, new("young", "strict", lane=0))
        assert await claimed_ids(queues, on=["strict"]) == ["young", "old"]

    async def test_a_limit_cuts_across_lanes_in_order(self, queues: QueuesUnderTest) -> None:
        await enqueued(
            queues, *(new(f"{lane}.{n}", lane=lane) for n in range(4) for lane in (1, 0))
        )
        assert await claimed_ids(queues, limit=3) == ["0.0", "0.1", "0.2"]
        assert await claimed_ids(queues, limit=3) == ["0.3", "1.0", "1.1"]

    async def test_queues_share_a_worker_by_age(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", "strict"))
        await queues.elapse(1.0)
        await enqueued(queues, new("b", "work"))
        assert await claimed_ids(queues, on=["work", "strict"], limit=1) == ["a"]

    # Keys

    async def test_jobs_of_one_key_run_one_at_a_time_in_order(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, *(new(f"k{n}", key="k") for n in range(3)), new("free"))
        assert await state(queues, "k1") is State.PENDING
        first, other = await claimed(queues)
        assert (first.id, other.id) == ("k0", "free")
        assert await claimed_ids(queues, "w2") == []
        answer = await exchanged(queues, done(first))
        assert [claim.id for claim in answer.claims] == ["k1"]
        answer = await exchanged(queues, done(answer.claims[0]))
        assert [claim.id for claim in answer.claims] == ["k2"]

    async def test_keys_do_not_wait_for_each_other(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a1", key="a"), new("a2", key="a"), new("b1", key="b"))
        assert await claimed_ids(queues) == ["a1", "b1"]

    async def test_the_same_key_in_two_queues_is_two_keys(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", "work", key="k"), new("b", "strict", key="k"))
        assert await claimed_ids(queues, on=["work", "strict"]) == ["a", "b"]

    async def test_a_retry_blocks_its_key(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k"))
        (first,) = await claimed(queues)
        assert (await exchanged(queues, failed(first, retry_in=60.0))).claims == []
        await queues.elapse(60.0)
        (again,) = await claimed(queues)
        assert (again.id, again.attempt) == ("k0", 2)
        assert [c.id for c in (await exchanged(queues, failed(again))).claims] == ["k1"]

    async def test_a_crash_blocks_its_key(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k"))
        await claimed(queues)
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        await queues.elapse(5.0)
        assert await claimed_ids(queues) == ["k0"]

    async def test_a_release_keeps_the_place_in_the_key(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k"))
        (first,) = await claimed(queues)
        answer = await exchanged(queues, Release(id="k0", fence=first.fence))
        assert [claim.id for claim in answer.claims] == ["k0"]

    async def test_a_key_waits_for_its_head_to_be_due(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k", due_in=30.0), new("k1", key="k"))
        assert await claimed_ids(queues) == []
        await queues.elapse(30.0)
        (first,) = await claimed(queues)
        assert first.id == "k0"
        assert [c.id for c in (await exchanged(queues, done(first))).claims] == ["k1"]

    async def test_a_job_due_later_waits_for_its_time_at_the_head_of_its_key(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k", due_in=60.0))
        (first,) = await claimed(queues)
        assert (await exchanged(queues, done(first))).claims == []
        assert await state(queues, "k1") is State.SCHEDULED
        await queues.elapse(60.0)
        assert await claimed_ids(queues) == ["k1"]

    async def test_cancelling_a_pending_job_closes_the_gap(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"k{n}", key="k") for n in range(3)))
        await queues.backend.cancel("k1", "not needed")
        (first,) = await claimed(queues)
        assert [c.id for c in (await exchanged(queues, done(first))).claims] == ["k2"]

    async def test_cancelling_the_head_lets_the_next_one_go(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k"))
        await queues.backend.cancel("k0", "not needed")
        assert await claimed_ids(queues) == ["k1"]

    async def test_a_redriven_job_joins_the_end_of_its_key(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k"))
        (first,) = await claimed(queues)
        await settled(queues, failed(first))
        assert await queues.backend.redrive(["k0"]) == 1
        assert await state(queues, "k0") is State.PENDING
        (second,) = await claimed(queues)
        assert second.id == "k1"
        assert [c.id for c in (await exchanged(queues, done(second))).claims] == ["k0"]

    async def test_a_key_can_be_used_again_after_it_was_empty(
        self, queues: QueuesUnderTest
    ) -> None:
        await settled(queues, done(await running(queues, new("k0", key="k"))))
        assert (await running(queues, new("k1", key="k"))).id == "k1"
