"""Idle workers sleep on the server, are woken one at a time, and miss nothing."""

import asyncio

from tidegate.testing.queue.under_test import (
    QueuesUnderTest,
    claimed,
    claimed_ids,
    done,
    enqueued,
    exchanged,
    new,
    running,
    settled,
)


async def settles_down(waits: list["asyncio.Task[bool]"]) -> list[bool]:
    """Whether each wait has been woken, once nothing more happens."""
    # Not waiting for an event: what is waited for is that none comes.
    await asyncio.sleep(0.1)
    return [wait.done() for wait in waits]


class WakingContract:
    async def test_an_enqueue_wakes_a_waiting_worker(self, queues: QueuesUnderTest) -> None:
        wait = asyncio.create_task(queues.backend.wait("w1", ["work"], 10.0))
        await settles_down([wait])
        await queues.other.enqueue([new("a")])
        assert await wait
        assert await claimed_ids(queues) == ["a"]

    async def test_what_came_between_looking_and_sleeping_wakes_at_once(
        self, queues: QueuesUnderTest
    ) -> None:
        assert await claimed_ids(queues) == []
        await enqueued(queues, new("a"))
        assert await queues.backend.wait("w1", ["work"], 10.0)

    async def test_a_wait_ends_by_itself(self, queues: QueuesUnderTest) -> None:
        assert not await queues.backend.wait("w1", ["work"], 0.05)
        assert not await queues.backend.wait("w1", [], 0.05)
        assert not await queues.backend.wait("w1", ["work"], 0.0)

    async def test_one_job_wakes_one_worker(self, queues: QueuesUnderTest) -> None:
        waits = [
            asyncio.create_task(queues.backend.wait(f"w{n}", ["work"], 10.0)) for n in range(4)
        ]
        await settles_down(waits)
        await enqueued(queues, new("a"))
        assert sum(await settles_down(waits)) == 1
        assert await claimed_ids(queues) == ["a"]
        assert sum(await settles_down(waits)) == 1
        await cancelled(waits)

    async def test_a_woken_worker_wakes_the_next_for_what_it_leaves(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, *(new(f"j{n}") for n in range(20)))
        got: list[str] = []

        async def work(worker: str) -> None:
            while len(got) < 20 and await queues.backend.wait(worker, ["work"], 10.0):
                got.extend(await claimed_ids(queues, worker, limit=3))

        workers = [asyncio.create_task(work(f"w{n}")) for n in range(5)]
        await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
        assert sorted(got) == sorted(f"j{n}" for n in range(20))
        await cancelled(workers)

    async def test_a_cancelled_wait_hands_its_wake_up_on(self, queues: QueuesUnderTest) -> None:
        for number in range(20):
            wait = asyncio.create_task(queues.backend.wait("w1", ["work"], 10.0))
            await asyncio.sleep(0)
            enqueue = asyncio.create_task(queues.other.enqueue([new(f"j{number}")]))
            # A different moment each time: the enqueue is on its way, done, or already heard of.
            for _ in range(number % 5):
                await asyncio.sleep(0.0005)
            wait.cancel()
            await asyncio.wait({wait})
            await enqueue
            if wait.cancelled():
                assert await queues.other.wait("w2", ["work"], 10.0)
            assert await claimed_ids(queues, "w2") == [f"j{number}"]

    async def test_a_woken_worker_that_claims_nothing_passes_it_on(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"))
        assert await queues.backend.wait("w1", ["work"], 10.0)
        await exchanged(queues, worker="w1", limit=0)
        assert await queues.backend.wait("w2", ["work"], 10.0)

    async def test_a_wake_up_lost_with_its_worker_is_made_good_by_the_sweep(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"))
        assert await queues.backend.wait("w1", ["work"], 10.0)  # and is never heard of again
        await queues.backend.sweep(["work"])
        assert await queues.backend.wait("w2", ["work"], 10.0)

    async def test_a_job_that_becomes_ready_wakes(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("k0", key="k"), new("k1", key="k"))
        assert await queues.backend.wait("w1", ["work"], 10.0)
        (first,) = await claimed(queues)
        await settled(queues, done(first))
        assert await queues.backend.wait("w1", ["work"], 10.0)

    async def test_an_earlier_due_time_wakes_who_must_know(self, queues: QueuesUnderTest) -> None:
        wait = asyncio.create_task(queues.backend.wait("w1", ["work"], 10.0))
        await settles_down([wait])
        await enqueued(queues, new("a", due_in=1.0))
        assert await wait
        assert (await exchanged(queues)).next_due_in == 1.0

    async def test_a_place_that_becomes_free_wakes(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", "narrow") for n in range(3)))
        first, _ = await claimed(queues, on=["narrow"])
        await queues.backend.wait("w2", ["narrow"], 0.05)
        wait = asyncio.create_task(queues.backend.wait("w2", ["narrow"], 10.0))
        await settles_down([wait])
        await settled(queues, done(first))
        assert await wait

    async def test_a_resumed_queue_wakes(self, queues: QueuesUnderTest) -> None:
        await queues.backend.pause("work", paused=True)
        await enqueued(queues, new("a"))
        assert await queues.backend.wait("w1", ["work"], 10.0)
        await exchanged(queues)
        assert not await queues.backend.wait("w1", ["work"], 0.05)
        await queues.backend.pause("work", paused=False)
        assert await queues.backend.wait("w1", ["work"], 10.0)

    async def test_a_cancel_and_a_bound_job_wake_their_worker_alone(
        self, queues: QueuesUnderTest
    ) -> None:
        await running(queues, new("a1", affinity="a"), "w1")
        while await queues.backend.wait("w2", ["work"], 0.05):
            pass
        other = asyncio.create_task(queues.backend.wait("w2", ["work"], 10.0))
        await enqueued(queues, new("a2", affinity="a"))
        assert await queues.backend.wait("w1", [], 10.0)
        await queues.backend.cancel("a1", "enough")
        assert await queues.backend.wait("w1", [], 10.0)
        assert await settles_down([other]) == [False]
        await cancelled([other])

    async def test_the_orchestrator_hears_of_the_queue_that_has_work(
        self, queues: QueuesUnderTest
    ) -> None:
        assert await queues.backend.wait_for_work(0.05) is None
        await enqueued(queues, new("a", "strict"), new("b"))
        heard = {await queues.backend.wait_for_work(10.0) for _ in range(2)}
        assert heard == {"strict", "work"}
        assert await queues.backend.wait_for_work(0.05) is None


async def cancelled(tasks: list["asyncio.Task[bool]"] | list["asyncio.Task[None]"]) -> None:
    """Cancel tasks and wait for their end."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
