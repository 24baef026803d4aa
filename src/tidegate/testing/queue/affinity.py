"""Jobs of one affinity go to the worker that holds it, until it lets go or is gone."""

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
    renewed,
    running,
    settled,
    state,
)


class AffinityContract:
    async def test_later_jobs_go_to_the_worker_that_holds_the_affinity(
        self, queues: QueuesUnderTest
    ) -> None:
        first = await running(queues, new("a1", affinity="a"), "w1")
        await enqueued(queues, new("a2", affinity="a"), new("b"))
        assert await claimed_ids(queues, "w2") == ["b"]
        (second,) = await claimed(queues, "w1")
        assert second.id == "a2"
        assert second.affinity_epoch == first.affinity_epoch > 0
        assert await queues.other.owns_affinity("work", "a", first.affinity_epoch)

    async def test_an_idle_owner_keeps_the_affinity(self, queues: QueuesUnderTest) -> None:
        await settled(queues, done(await running(queues, new("a1", affinity="a"), "w1")))
        await enqueued(queues, new("a2", affinity="a"))
        assert await claimed_ids(queues, "w2") == []
        assert await claimed_ids(queues, "w1") == ["a2"]

    async def test_bound_jobs_come_first_and_do_not_count_as_depth(
        self, queues: QueuesUnderTest
    ) -> None:
        await running(queues, new("a1", affinity="a"), "w1")
        await enqueued(queues, new("b"), new("a2", affinity="a"))
        (stats,) = await queues.backend.stats(["work"])
        assert (stats.ready, stats.bound, stats.running, stats.depth) == (1, 1, 1, 2)
        assert await state(queues, "a2") is State.READY
        assert await claimed_ids(queues, "w1") == ["a2", "b"]

    async def test_jobs_enqueued_before_there_was_an_owner_follow_it(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, *(new(f"a{n}", affinity="a") for n in range(3)), new("b"))
        assert await claimed_ids(queues, "w1", limit=1) == ["a0"]
        assert await claimed_ids(queues, "w2") == ["b"]
        assert await claimed_ids(queues, "w1") == ["a1", "a2"]

    async def test_affinities_of_two_queues_are_apart(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a1", affinity="a"), "w1")
        await enqueued(queues, new("a2", "strict", affinity="a"))
        assert await claimed_ids(queues, "w2", ["strict"]) == ["a2"]

    async def test_a_worker_without_room_is_asked_for_what_it_does_not_run(
        self, queues: QueuesUnderTest
    ) -> None:
        idle = await running(queues, new("a1", affinity="a"), "w1")
        busy = await running(queues, new("b1", affinity="b"), "w1")
        await settled(queues, done(idle))
        await enqueued(queues, new("a2", affinity="a"), new("b2", affinity="b"))
        answer = await exchanged(queues, worker="w1", limit=0)
        assert answer.wanted == [("work", "a", idle.affinity_epoch)]
        answer = await exchanged(queues, done(busy), worker="w1", limit=0)
        assert sorted(answer.wanted) == [
            ("work", "a", idle.affinity_epoch),
            ("work", "b", busy.affinity_epoch),
        ]

    async def test_nothing_is_wanted_of_a_worker_with_room(self, queues: QueuesUnderTest) -> None:
        await settled(queues, done(await running(queues, new("a1", affinity="a"), "w1")))
        await enqueued(queues, new("a2", affinity="a"))
        answer = await exchanged(queues, worker="w1", limit=2)
        assert ([claim.id for claim in answer.claims], answer.wanted) == (["a2"], [])

    async def test_after_a_release_the_next_claimant_owns_it_under_a_new_epoch(
        self, queues: QueuesUnderTest
    ) -> None:
        first = await running(queues, new("a1", affinity="a"), "w1")
        await settled(queues, done(first))
        await enqueued(queues, new("a2", affinity="a", lane=1), new("a3", affinity="a"))
        epoch = first.affinity_epoch
        assert not await queues.backend.release_affinity("w2", "work", "a", epoch)
        assert await queues.backend.release_affinity("w1", "work", "a", epoch)
        assert not await queues.backend.release_affinity("w1", "work", "a", epoch)
        assert not await queues.backend.owns_affinity("work", "a", epoch)
        second, third = await claimed(queues, "w2")
        assert (second.id, third.id) == ("a3", "a2")
        assert second.affinity_epoch == third.affinity_epoch > epoch
        assert await queues.backend.owns_affinity("work", "a", second.affinity_epoch)
        assert not await queues.backend.owns_affinity("work", "a", epoch)

    async def test_an_affinity_of_which_a_job_runs_is_not_released(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a1", affinity="a"), "w1")
        given_up = ("w1", "work", "a", claim.affinity_epoch)
        assert not await queues.backend.release_affinity(*given_up)
        assert await queues.backend.owns_affinity("work", "a", claim.affinity_epoch)
        await settled(queues, failed(claim, retry_in=0.0))
        assert await queues.backend.release_affinity(*given_up)

    async def test_a_silent_owner_loses_the_affinity_to_the_next_claimant(
        self, queues: QueuesUnderTest
    ) -> None:
        first = await running(queues, new("a1", affinity="a"), "w1")
        await settled(queues, done(first))
        await enqueued(queues, new("a2", affinity="a"))
        await queues.elapse(LEASE)
        assert not await queues.backend.owns_affinity("work", "a", first.affinity_epoch)
        await enqueued(queues, new("a3", affinity="a"))
        second, third = await claimed(queues, "w2")
        assert {second.id, third.id} == {"a2", "a3"}
        assert second.affinity_epoch > first.affinity_epoch
        assert await claimed_ids(queues, "w1") == []

    async def test_a_sweep_frees_what_is_bound_to_a_silent_owner(
        self, queues: QueuesUnderTest
    ) -> None:
        await settled(queues, done(await running(queues, new("a1", affinity="a"), "w1")))
        await enqueued(queues, new("a2", affinity="a"))
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        (stats,) = await queues.backend.stats(["work"])
        assert (stats.ready, stats.bound) == (1, 0)
        assert await claimed_ids(queues, "w2") == ["a2"]

    async def test_renewals_and_exchanges_are_signs_of_life(self, queues: QueuesUnderTest) -> None:
        first = await running(queues, new("a1", affinity="a"), "w1")
        await settled(queues, done(first))
        for _ in range(3):
            await queues.elapse(LEASE - 1.0)
            renewed(queues, worker="w1")
            await queues.elapse(LEASE - 1.0)
            await exchanged(queues, worker="w1", limit=0)
        assert await queues.backend.owns_affinity("work", "a", first.affinity_epoch)
        await enqueued(queues, new("a2", affinity="a"))
        assert await claimed_ids(queues, "w2") == []

    async def test_a_worker_that_leaves_frees_its_affinities(self, queues: QueuesUnderTest) -> None:
        first = await running(queues, new("a1", affinity="a"), "w1")
        await settled(queues, done(first))
        await enqueued(queues, new("a2", affinity="a"))
        await queues.backend.leave("w1")
        assert not await queues.backend.owns_affinity("work", "a", first.affinity_epoch)
        assert await claimed_ids(queues, "w2") == ["a2"]

    async def test_a_crashed_owner_takes_nothing_with_it(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a1", affinity="a"), "w1")
        await enqueued(queues, new("a2", affinity="a"))
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        await queues.elapse(5.0)
        assert sorted(await claimed_ids(queues, "w2")) == ["a1", "a2"]

    async def test_keys_and_affinities_go_together(self, queues: QueuesUnderTest) -> None:
        first = await running(queues, new("a1", affinity="a", key="t1"), "w1")
        await enqueued(
            queues,
            new("a2", affinity="a", key="t1"),
            new("a3", affinity="a", key="t2"),
        )
        assert await claimed_ids(queues, "w2") == []
        assert await claimed_ids(queues, "w1") == ["a3"]
        answer = await exchanged(queues, done(first), worker="w1")
        assert [claim.id for claim in answer.claims] == ["a2"]

    async def test_a_bound_job_can_be_cancelled_or_expire(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a1", affinity="a"), "w1")
        await enqueued(
            queues,
            new("a2", affinity="a"),
            new("a3", affinity="a", start_within=1.0),
            new("a4", affinity="a"),
        )
        assert await queues.backend.cancel("a2", "no") is State.CANCELLED
        await queues.elapse(1.0)
        assert (await queues.backend.sweep(["work"])).expired == 1
        (stats,) = await queues.backend.stats(["work"])
        assert stats.bound == 1
        assert await claimed_ids(queues, "w1") == ["a4"]

    async def test_a_paused_queue_gives_no_bound_jobs_either(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a1", affinity="a"), "w1")
        await enqueued(queues, new("a2", affinity="a"))
        await queues.backend.pause("work", paused=True)
        assert await claimed_ids(queues, "w1") == []
        await queues.backend.pause("work", paused=False)
        assert await claimed_ids(queues, "w1") == ["a2"]
