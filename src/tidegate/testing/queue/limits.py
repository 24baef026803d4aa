"""Bounds of a queue: depth, concurrency, rate, and being paused."""

import pytest

from tidegate.errors import QueueFullError
from tidegate.jobs.backend import QueueSettings
from tidegate.testing.queue.under_test import (
    QueuesUnderTest,
    claimed,
    claimed_ids,
    done,
    enqueued,
    exchanged,
    new,
    renewed,
    settled,
)


class LimitsContract:
    # Depth

    async def test_a_full_queue_refuses_all_of_a_call(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", "small"), new("b", "small"))
        with pytest.raises(QueueFullError) as caught:
            await queues.backend.enqueue([new("x"), new("c", "small"), new("d", "small")])
        assert (caught.value.queue, caught.value.depth) == ("small", 2)
        assert caught.value.retry_after > 0
        assert await queues.backend.get("x") is None
        assert await queues.backend.get("c") is None
        await enqueued(queues, new("c", "small"))

    async def test_running_and_pending_jobs_fill_a_queue_and_scheduled_ones_do_not(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("later", "small", due_in=60.0))
        await enqueued(queues, *(new(job, "small", key="k") for job in "abc"))
        await claimed(queues, on=["small"])
        with pytest.raises(QueueFullError):
            await queues.backend.enqueue([new("d", "small")])

    async def test_room_comes_back(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(job, "small") for job in "abc"))
        first, *_ = await claimed(queues, on=["small"])
        await settled(queues, done(first))
        await enqueued(queues, new("d", "small"))

    async def test_a_bound_holds_for_a_call_of_any_size(self, queues: QueuesUnderTest) -> None:
        jobs = [*(new(f"w{n}") for n in range(1000)), *(new(f"s{n}", "small") for n in range(4))]
        with pytest.raises(QueueFullError):
            await queues.backend.enqueue(jobs)
        assert (await queues.backend.stats(["work"]))[0].ready == 0

    async def test_repeating_a_call_that_filled_the_queue_is_safe(
        self, queues: QueuesUnderTest
    ) -> None:
        jobs = [new(job, "small") for job in "abc"]
        await enqueued(queues, *jobs)
        again = await queues.backend.enqueue(jobs)
        assert [answer.created for answer in again] == [False, False, False]

    # Concurrency

    async def test_no_more_jobs_run_than_the_queue_allows(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", "narrow") for n in range(5)))
        first, second = await claimed(queues, "w1", ["narrow"])
        assert await claimed_ids(queues, "w2", ["narrow"]) == []
        answer = await exchanged(queues, done(first), worker="w2", on=["narrow"])
        assert [claim.id for claim in answer.claims] == ["j2"]
        assert await claimed_ids(queues, "w1", ["narrow"]) == []
        await settled(queues, done(second))
        assert await claimed_ids(queues, "w1", ["narrow"]) == ["j3"]

    async def test_a_crashed_holder_gives_its_place_back(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", "narrow") for n in range(3)))
        assert len(await claimed(queues, on=["narrow"])) == 2
        await queues.elapse(30.0)
        await queues.backend.sweep(["narrow"])
        assert "j2" in await claimed_ids(queues, "w2", ["narrow"])

    async def test_a_full_queue_does_not_hold_up_another(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", "narrow") for n in range(3)), new("a"))
        await claimed(queues, on=["narrow"])
        assert await claimed_ids(queues, on=["narrow", "work"]) == ["a"]

    # Rate

    async def test_starts_keep_to_the_rate_after_a_burst(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", "slow") for n in range(6)))
        answer = await exchanged(queues, on=["slow"])
        assert [claim.id for claim in answer.claims] == ["j0", "j1"]
        assert answer.next_due_in == pytest.approx(0.1, abs=0.002)
        assert await claimed_ids(queues, on=["slow"]) == []
        await queues.elapse(0.1)
        assert await claimed_ids(queues, on=["slow"]) == ["j2"]
        await queues.elapse(10.0)
        assert await claimed_ids(queues, on=["slow"]) == ["j3", "j4"]

    async def test_a_rate_is_kept_over_time(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", "slow") for n in range(100)))
        started = 0
        for _ in range(40):
            started += len(await claimed(queues, on=["slow"]))
            await queues.elapse(0.05)
        assert 2 + 19 <= started <= 2 + 20

    # Pausing

    async def test_a_paused_queue_gives_no_jobs_and_keeps_its_leases(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"), new("b"))
        (claim,) = await claimed(queues, limit=1)
        await queues.backend.pause("work", paused=True)
        assert await claimed_ids(queues) == []
        assert (await queues.backend.stats(["work"]))[0].paused
        assert renewed(queues, claim) == "o"
        assert await settled(queues, done(claim)) == [True]
        await enqueued(queues, new("c"))
        await queues.backend.pause("work", paused=False)
        assert await claimed_ids(queues) == ["b", "c"]

    async def test_declaring_again_keeps_a_queue_paused(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", "strict", lane=2))
        await queues.backend.pause("strict", paused=True)
        await queues.backend.declare([QueueSettings(name="strict", lanes=1)])
        assert await claimed_ids(queues, on=["strict"]) == []
        await queues.backend.pause("strict", paused=False)
        assert await claimed_ids(queues, on=["strict"]) == ["a"]
