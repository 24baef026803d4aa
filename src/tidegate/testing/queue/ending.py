"""Cancelling, redriving, and the end event that every end is told by."""

import msgspec
import pytest

from tidegate.channels.backend import Writer
from tidegate.errors import IllegalTransitionError, UnknownJobError
from tidegate.jobs.backend import Cancelled, Release
from tidegate.jobs.job import State
from tidegate.testing.queue.under_test import (
    LEASE,
    QueuesUnderTest,
    claimed,
    claimed_ids,
    done,
    enqueued,
    events,
    exchanged,
    failed,
    new,
    policy,
    renewed,
    running,
    settled,
    shown,
    state,
)

EXIT = policy(end='{"type":"exit","code":null,"none":[],"big":12345678901234567}', on_crash="fail")


class EndingContract:
    # Cancelling

    async def test_a_waiting_job_is_cancelled_at_once(self, queues: QueuesUnderTest) -> None:
        await enqueued(
            queues,
            new("ready"),
            new("scheduled", due_in=60.0),
            new("head", key="k", due_in=60.0),
            new("pending", key="k"),
        )
        for job in ("ready", "scheduled", "pending"):
            assert await queues.backend.cancel(job, "why not") is State.CANCELLED
            record = await shown(queues, job)
            assert (record.state, record.reason) == (State.CANCELLED, "why not")
        assert await claimed_ids(queues) == []
        (stats,) = await queues.backend.stats(["work"])
        assert (stats.ready, stats.scheduled, stats.pending) == (0, 1, 0)

    async def test_a_running_job_is_asked_to_stop(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a"))
        assert await queues.backend.cancel("a", "enough") is State.RUNNING
        assert (await shown(queues, "a")).cancel_requested
        for _ in range(2):
            assert (await exchanged(queues)).cancelling == [("a", "enough")]
            assert renewed(queues, claim) == "c"
        await settled(queues, Cancelled(id="a", fence=claim.fence, reason="enough"))
        assert (await exchanged(queues)).cancelling == []
        assert await state(queues, "a") is State.CANCELLED

    async def test_a_job_that_finishes_although_asked_to_stop_has_succeeded(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        await queues.backend.cancel("a", "enough")
        assert await settled(queues, done(claim)) == [True]
        assert await state(queues, "a") is State.SUCCEEDED
        assert (await exchanged(queues)).cancelling == []

    async def test_a_job_asked_to_stop_does_not_run_again(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("fails"), new("returned"), new("crashes"))
        fails, returned, _crashes = await claimed(queues)
        for job in ("fails", "returned", "crashes"):
            await queues.backend.cancel(job, "enough")
        handed_back = Release(id="returned", fence=returned.fence)
        assert await settled(queues, failed(fails, retry_in=0.0), handed_back) == [True, True]
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        for job in ("fails", "returned", "crashes"):
            record = await shown(queues, job)
            assert (record.state, record.reason) == (State.CANCELLED, "enough")

    async def test_an_ended_or_unknown_job_cannot_be_cancelled(
        self, queues: QueuesUnderTest
    ) -> None:
        await settled(queues, done(await running(queues, new("a"))))
        with pytest.raises(IllegalTransitionError, match="succeeded"):
            await queues.backend.cancel("a", "late")
        with pytest.raises(UnknownJobError):
            await queues.backend.cancel("nobody", "who")

    # Redriving

    async def test_a_redriven_job_starts_afresh_under_a_higher_fence(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a", payload=b"1", lane=1))
        await queues.backend.remember("a", claim.fence, "step", b"done")
        await settled(queues, failed(claim))
        assert await queues.backend.redrive(["a", "nobody"]) == 1
        (again,) = await claimed(queues)
        assert (again.attempt, again.crashes, again.deliveries) == (1, 0, 1)
        assert (again.payload, again.lane) == (b"1", 1)
        assert again.fence > claim.fence
        assert await settled(queues, done(claim)) == [False]
        assert await queues.backend.recall("a", "step") == b"done"
        record = await shown(queues, "a")
        assert (record.reason, record.finished_at) == (None, None)
        assert len(record.errors) == 1
        await settled(queues, done(again))
        assert await queues.backend.redrive(["a"]) == 0

    async def test_quarantined_cancelled_and_expired_jobs_can_be_redriven(
        self, queues: QueuesUnderTest
    ) -> None:
        await running(queues, new("quarantined", policy=policy(crashes=1)))
        await enqueued(queues, new("cancelled"), new("expired", start_within=1.0))
        await queues.backend.cancel("cancelled", "oops")
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        jobs = ["quarantined", "cancelled", "expired"]
        assert [await state(queues, job) for job in jobs] == jobs
        assert await queues.backend.redrive(jobs) == 3
        assert sorted(await claimed_ids(queues)) == sorted(jobs)
        (stats,) = await queues.backend.stats(["work"])
        assert (stats.dead, stats.quarantined) == (0, 0)

    async def test_live_jobs_are_not_redriven(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a"), new("b", due_in=9.0))
        assert await queues.backend.redrive(["a", "b"]) == 0

    async def test_redriving_never_makes_two_live_jobs_of_one_dedupe_id(
        self, queues: QueuesUnderTest
    ) -> None:
        await settled(queues, failed(await running(queues, new("a", dedupe="d"))))
        await enqueued(queues, new("b", dedupe="d"))
        assert await queues.backend.redrive(["a"]) == 0
        await settled(queues, done((await claimed(queues))[0]))
        assert await queues.backend.redrive(["a"]) == 1
        assert not (await queues.backend.enqueue([new("c", dedupe="d")]))[0].created

    # End events

    async def test_a_shared_channel_is_told_every_end(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}", channel="shared", policy=EXIT) for n in range(3)))
        one, two, three = await claimed(queues)
        whole = b'{"type":"exit","code":0,"job":"j0"}'
        await settled(queues, done(one, end=whole), failed(two), done(three))
        template = msgspec.json.decode(EXIT.end)
        assert await events(queues, "shared") == [
            {"type": "exit", "code": 0, "job": "j0"},
            {**template, "job": "j1", "state": "dead", "reason": "failed"},
            {**template, "job": "j2", "state": "succeeded", "reason": None},
        ]

    async def test_a_crash_is_told_although_no_worker_lives(self, queues: QueuesUnderTest) -> None:
        await running(queues, new("a", channel="shared", policy=EXIT))
        await queues.elapse(LEASE)
        await queues.backend.sweep(["work"])
        (event,) = await events(queues, "shared")
        assert (event["type"], event["code"], event["none"]) == ("exit", None, [])
        assert (event["job"], event["state"], event["big"]) == ("a", "dead", 12345678901234567)
        assert "w1" in event["reason"]

    async def test_cancels_and_expiries_in_the_queue_are_told(
        self, queues: QueuesUnderTest
    ) -> None:
        jobs = [new("a", channel="shared"), new("b", channel="shared", start_within=1.0)]
        await enqueued(queues, *jobs)
        await queues.backend.cancel("a", 'he said "no"\n')
        await queues.elapse(1.0)
        await queues.backend.sweep(["work"])
        first, second = await events(queues, "shared")
        assert first == {
            "type": "end",
            "job": "a",
            "state": "cancelled",
            "reason": 'he said "no"\n',
        }
        assert (second["job"], second["state"]) == ("b", "expired")

    async def test_a_retry_is_not_an_end(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a", channel="shared"))
        await settled(queues, failed(claim, retry_in=0.0, end=b'{"type":"end"}'))
        assert await events(queues, "shared") == []

    async def test_a_job_that_wrote_has_its_end_after_what_it_wrote(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("quiet"), new("a"), new("b"))
        quiet, *others = await claimed(queues)
        for claim in others:
            writer = Writer(claim.id, claim.fence)
            await queues.channels.append(f"job:{claim.id}", [b'{"n":1}'], writer=writer)
        await settled(queues, done(quiet), done(others[0]), failed(others[1]))
        for job, end in (("a", "succeeded"), ("b", "dead")):
            written, event = await events(queues, f"job:{job}")
            assert written == {"n": 1}
            assert (event["type"], event["job"], event["state"]) == ("end", job, end)
        assert await events(queues, "job:quiet") == []

    async def test_an_end_is_told_once(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a", channel="shared"))
        for _ in range(3):
            await settled(queues, done(claim), failed(claim))
        assert len(await events(queues, "shared")) == 1
