"""What people and the orchestrator see of queues and workers."""

import pytest

from tidegate.jobs.backend import SweepReport
from tidegate.jobs.job import State
from tidegate.testing.queue.under_test import (
    LEASE,
    QueuesUnderTest,
    claimed,
    done,
    enqueued,
    exchanged,
    failed,
    new,
    policy,
    report,
    running,
    settled,
    shown,
)


class WatchingContract:
    async def test_counts_tell_where_jobs_are(self, queues: QueuesUnderTest) -> None:
        await settled(queues, done(await running(queues, new("good"))))
        await settled(queues, failed(await running(queues, new("bad"))))
        await running(queues, new("worst", policy=policy(crashes=1)))
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        await running(queues, new("runs", affinity="a"))
        await queues.elapse(2.0)
        await enqueued(
            queues,
            new("bound", affinity="a"),
            new("k0", key="k", lane=2),
            new("k1", key="k"),
            new("later", due_in=60.0),
        )
        await queues.elapse(3.0)
        (stats,) = await queues.backend.stats(["work"])
        assert (stats.ready, stats.running, stats.scheduled) == (1, 1, 1)
        assert (stats.pending, stats.bound, stats.dead, stats.quarantined) == (1, 1, 1, 1)
        assert (stats.depth, stats.paused, stats.oldest_age) == (2, False, 3.0)
        assert (stats.enqueued_total, stats.succeeded_total, stats.failed_total) == (8, 1, 2)

    async def test_stats_come_in_the_order_asked(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", "strict"))
        stats = await queues.backend.stats(["work", "strict", "never-declared"])
        assert [each.name for each in stats] == ["work", "strict", "never-declared"]
        assert [each.ready for each in stats] == [0, 1, 0]

    async def test_rates_are_those_of_the_last_minute(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}") for n in range(60)))
        await queues.elapse(10.0)
        await exchanged(queues, *(done(claim) for claim in await claimed(queues, limit=30)))
        (stats,) = await queues.backend.stats(["work"])
        assert stats.enqueue_rate == pytest.approx(1.0)
        assert stats.finish_rate == pytest.approx(0.5)
        await queues.elapse(50.0)
        (stats,) = await queues.backend.stats(["work"])
        assert stats.enqueue_rate == 0.0
        assert stats.finish_rate == pytest.approx(0.5)
        await queues.elapse(3600.0)
        assert (await queues.backend.stats(["work"]))[0].finish_rate == 0.0

    async def test_a_record_tells_how_its_job_is_doing(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a", due_in=60.0, dedupe="d", start_within=100.0, key="k"))
        record = await shown(queues, "a")
        assert (record.state, record.attempt, record.deliveries) == (State.SCHEDULED, 0, 0)
        assert record.due_at == record.enqueued_at + 60.0
        assert record.start_by == record.enqueued_at + 100.0
        assert (record.dedupe, record.key, record.channel) == ("d", "k", "job:a")
        await queues.elapse(60.0)
        (claim,) = await claimed(queues)
        record = await shown(queues, "a")
        assert (record.state, record.attempt, record.worker) == (State.RUNNING, 1, "w1")
        assert record.due_at is None
        assert record.started_at == claim.ready_at
        assert record.lease_until == pytest.approx(claim.ready_at + LEASE)

    async def test_jobs_are_listed_newest_first_a_page_at_a_time(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, *(new(f"j{n}", key="k" if n % 2 else None) for n in range(25)))
        seen, cursor = [], None
        while True:
            page = await queues.backend.browse("work", cursor=cursor, limit=10)
            seen += [record.id for record in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == [f"j{n}" for n in reversed(range(25))]

    @pytest.mark.parametrize("wanted", list(State))
    async def test_jobs_are_listed_by_state(self, queues: QueuesUnderTest, wanted: State) -> None:
        await settled(queues, done(await running(queues, new("succeeded"))))
        await settled(queues, failed(await running(queues, new("dead"))))
        await running(queues, new("quarantined", policy=policy(crashes=1)))
        await enqueued(queues, new("expired", start_within=1.0))
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        await running(queues, new("running", affinity="a"))
        await enqueued(
            queues,
            new("cancelled"),
            new("scheduled", due_in=9.0),
            new("ready", affinity="a"),
            new("ready too", lane=2),
            new("head", "strict", key="k"),
            new("pending", "strict", key="k"),
        )
        await queues.backend.cancel("cancelled", "no")
        queue = "strict" if wanted is State.PENDING else "work"
        page = await queues.backend.browse(queue, state=wanted)
        expected = ["ready", "ready too"] if wanted is State.READY else [wanted.value]
        assert sorted(record.id for record in page.jobs) == expected
        assert {record.state for record in page.jobs} == {wanted}

    async def test_a_listing_by_state_can_be_paged(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}") for n in range(12)))
        claims = await claimed(queues, limit=12)
        await settled(queues, *(failed(claim) for claim in claims))
        seen, cursor = [], None
        while True:
            page = await queues.backend.browse("work", state=State.DEAD, cursor=cursor, limit=5)
            seen += [record.id for record in page.jobs]
            cursor = page.cursor
            if cursor is None:
                break
        assert seen == [f"j{n}" for n in reversed(range(12))]

    async def test_workers_are_listed_until_they_leave_or_fall_silent(
        self, queues: QueuesUnderTest
    ) -> None:
        queues.backend.renew(report("w1", busy=1), [])
        queues.backend.renew(report("w1", busy=3, draining=True), [])
        queues.backend.renew(report("w2", host="h", pid=7), [])
        assert {each.worker: each.busy for each in await queues.backend.workers()} == {
            "w1": 3,
            "w2": 1,
        }
        await queues.backend.leave("w2")
        await queues.elapse(3 * LEASE - 0.001)
        assert [each.draining for each in await queues.backend.workers()] == [True]
        await queues.elapse(0.001)
        assert await queues.backend.workers() == []

    async def test_metrics_of_all_workers_add_up(self, queues: QueuesUnderTest) -> None:
        queues.backend.renew(report("w1", metrics={"wait": {"0.1": 2, "sum": 0.25}}), [])
        queues.backend.renew(report("w2", metrics={"wait": {"0.1": 1}, "run": {"a b": 1.5}}), [])
        assert await queues.backend.metrics() == {
            "wait": {"0.1": 3.0, "sum": 0.25},
            "run": {"a b": 1.5},
        }

    async def test_sweeping_no_queue_finds_nothing_to_do(self, queues: QueuesUnderTest) -> None:
        assert await queues.backend.sweep([]) == SweepReport()
