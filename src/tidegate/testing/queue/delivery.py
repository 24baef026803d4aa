"""Jobs reach a worker with all they were given, and end once."""

import pytest

from tidegate.errors import BackendUnavailableError
from tidegate.jobs.backend import Cancelled, Complete, Release
from tidegate.jobs.job import Enqueued, JobPolicy, State
from tidegate.testing.queue.under_test import (
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


class DeliveryContract:
    # Enqueuing

    async def test_a_job_arrives_with_all_it_was_given(self, queues: QueuesUnderTest) -> None:
        given = policy(attempts=3, on_crash="fail", timeout=1.5, keep=10.0, end='{"type":"exit"}')
        job = new(
            "a",
            name="mail.send",
            payload=b'{"to":"\xc3\xa9","n":[1,2.5,null]}',
            policy=given,
            payload_ref="payloads/a",
            lane=2,
            key="k",
            affinity="house",
            channel="shared:1",
            trace="00-11-22-01",
        )
        claim = await running(queues, job)
        assert (claim.id, claim.queue, claim.name) == ("a", "work", "mail.send")
        assert claim.payload == job.payload
        assert claim.policy == given
        assert (claim.payload_ref, claim.lane, claim.key) == ("payloads/a", 2, "k")
        assert (claim.affinity, claim.channel, claim.trace) == ("house", "shared:1", "00-11-22-01")
        assert (claim.attempt, claim.crashes, claim.deliveries) == (1, 0, 1)
        assert claim.enqueued_at == claim.ready_at
        assert claim.affinity_epoch > 0
        assert claim.checkpoint is None

    async def test_binary_payloads_and_odd_ids_survive(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("Ünï 'code\" {x} \t", payload=bytes(range(256))))
        assert claim.id == "Ünï 'code\" {x} \t"
        assert claim.payload == bytes(range(256))
        assert await settled(queues, done(claim, result=b'"\xc3\xa9"')) == [True]
        assert (await shown(queues, claim.id)).result == b'"\xc3\xa9"'

    async def test_an_id_is_stored_once(self, queues: QueuesUnderTest) -> None:
        assert await queues.backend.enqueue([new("a"), new("b")]) == [
            Enqueued("a", created=True),
            Enqueued("b", created=True),
        ]
        again = await queues.other.enqueue([new("a", payload=b"2"), new("c")])
        assert again == [Enqueued("a", created=False), Enqueued("c", created=True)]
        assert await claimed_ids(queues) == ["a", "b", "c"]

    async def test_an_id_is_stored_once_within_a_call_too(self, queues: QueuesUnderTest) -> None:
        answers = await queues.backend.enqueue([new("a"), new("a")])
        assert [answer.created for answer in answers] == [True, False]
        assert await claimed_ids(queues) == ["a"]

    async def test_an_id_stays_taken_after_the_job_has_ended(self, queues: QueuesUnderTest) -> None:
        await settled(queues, done(await running(queues, new("a"))))
        assert await queues.backend.enqueue([new("a")]) == [Enqueued("a", created=False)]
        assert await claimed_ids(queues) == []

    async def test_thousands_of_jobs_of_mixed_queues_keep_their_order(
        self, queues: QueuesUnderTest
    ) -> None:
        jobs = [new(f"j{n}", ("work", "strict")[n % 2], lane=n % 3) for n in range(2000)]
        assert all(answer.created for answer in await queues.backend.enqueue(jobs))
        got = await claimed_ids(queues, on=["strict"], limit=300)
        assert got == [job.id for job in jobs if job.queue == "strict" and job.lane == 0][:300]

    async def test_enqueuing_nothing_is_allowed(self, queues: QueuesUnderTest) -> None:
        assert await queues.backend.enqueue([]) == []

    # Claiming

    async def test_each_job_goes_to_one_worker(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}") for n in range(10)))
        first = await claimed_ids(queues, "w1", limit=6)
        second = await claimed_ids(queues, "w2", limit=6)
        assert sorted(first + second) == [f"j{n}" for n in range(10)]

    async def test_only_the_asked_queues_are_claimed(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a"), new("b", "strict"))
        assert await claimed_ids(queues, on=["strict"]) == ["b"]
        assert [c.queue for c in await claimed(queues, on=["strict", "work"])] == ["work"]

    async def test_a_limit_of_nothing_claims_nothing(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a"))
        assert await claimed_ids(queues, limit=0) == []
        assert await state(queues, "a") is State.READY

    # Settling

    async def test_a_result_is_kept(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a"))
        assert await state(queues, "a") is State.RUNNING
        assert await settled(queues, done(claim, result=b'{"ok":true}')) == [True]
        record = await shown(queues, "a")
        assert (record.state, record.result) == (State.SUCCEEDED, b'{"ok":true}')
        assert (record.attempt, record.worker, record.lease_until) == (1, "w1", None)
        assert record.started_at is not None
        assert record.finished_at is not None

    async def test_a_job_ends_once(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a"))
        first, second = done(claim, result=b"1"), done(claim, result=b"2")
        assert await settled(queues, first, second) == [True, False]
        assert await settled(queues, first, failed(claim)) == [False, False]
        assert (await shown(queues, "a")).result == b"1"

    async def test_a_wrong_or_unknown_attempt_is_refused_and_the_others_stand(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"), new("b"))
        one, two = await claimed(queues)
        wrong = Complete(id=one.id, fence=one.fence + 1)
        unknown = Complete(id="nobody", fence=1)
        assert await settled(queues, wrong, unknown, done(two)) == [False, False, True]
        assert await state(queues, "a") is State.RUNNING

    async def test_a_waiting_job_cannot_be_settled(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a"))
        assert await settled(queues, Complete(id="a", fence=0)) == [False]

    async def test_settling_and_claiming_are_one_call(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, new("a"), new("b"))
        (first,) = await claimed(queues, limit=1)
        answer = await exchanged(queues, done(first), limit=1)
        assert answer.accepted == [True]
        assert [claim.id for claim in answer.claims] == ["b"]

    async def test_thousands_of_settlements_fit_one_exchange(self, queues: QueuesUnderTest) -> None:
        await enqueued(queues, *(new(f"j{n}") for n in range(1600)))
        claims = await claimed(queues, limit=1000) + await claimed(queues, limit=1000)
        answer = await exchanged(queues, *(done(claim) for claim in claims))
        assert len(answer.accepted) == 1600
        assert all(answer.accepted)

    # Failing

    async def test_a_failed_job_runs_again_after_its_back_off(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        assert await settled(queues, failed(claim, retry_in=5.0)) == [True]
        assert await state(queues, "a") is State.SCHEDULED
        await queues.elapse(4.999)
        assert await claimed_ids(queues) == []
        await queues.elapse(0.001)
        (again,) = await claimed(queues)
        assert (again.attempt, again.deliveries, again.crashes) == (2, 2, 0)
        assert again.fence > claim.fence
        assert await settled(queues, done(claim), done(again)) == [False, True]

    async def test_a_retry_without_delay_is_claimed_by_the_same_exchange(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        answer = await exchanged(queues, failed(claim, retry_in=0.0))
        (again,) = answer.claims
        assert again.attempt == 2
        assert await settled(queues, done(again)) == [True]

    async def test_a_dead_job_keeps_its_payload_and_errors(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a", payload=b'"kept"'))
        await settled(queues, failed(claim))
        record = await shown(queues, "a")
        assert (record.state, record.payload, record.attempt) == (State.DEAD, b'"kept"', 1)
        assert record.errors == [{"type": "ValueError", "message": "no", "attempt": 1}]

    async def test_the_last_five_errors_are_kept_each_of_at_most_8_kib(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"))
        for number in range(7):
            (claim,) = await claimed(queues)
            error = b'{"attempt":%d,"traceback":"%s"}' % (number, b"\\u2026x\\n" * 5000)
            await settled(queues, failed(claim, retry_in=0.0, error=error))
        errors = (await shown(queues, "a")).errors
        assert [error["attempt"] for error in errors] == [2, 3, 4, 5, 6]
        assert all(1000 < len(str(error["traceback"]).encode()) <= 8192 for error in errors)

    # Handing back

    async def test_a_released_job_is_first_again_and_uses_up_no_attempt(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"), new("b"), new("c"))
        (claim,) = await claimed(queues, limit=1)
        assert await settled(queues, Release(id="a", fence=claim.fence)) == [True]
        first, *others = await claimed(queues)
        assert (first.id, first.attempt, first.deliveries) == ("a", 1, 2)
        assert [claim.id for claim in others] == ["b", "c"]

    async def test_a_release_with_a_delay_returns_to_the_head(
        self, queues: QueuesUnderTest
    ) -> None:
        await enqueued(queues, new("a"), new("b"))
        (claim,) = await claimed(queues, limit=1)
        await settled(queues, Release(id="a", fence=claim.fence, delay=10.0, reason="snooze"))
        assert await state(queues, "a") is State.SCHEDULED
        await queues.elapse(10.0)
        assert await claimed_ids(queues) == ["a", "b"]

    async def test_a_handler_that_stopped_when_asked_ends_as_cancelled(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        settlement = Cancelled(id="a", fence=claim.fence, reason="by its user")
        assert await settled(queues, settlement, settlement) == [True, False]
        record = await shown(queues, "a")
        assert (record.state, record.reason) == (State.CANCELLED, "by its user")

    # What an attempt leaves

    async def test_progress_and_checkpoint_are_kept_for_the_next_attempt(
        self, queues: QueuesUnderTest
    ) -> None:
        claim = await running(queues, new("a"))
        assert await queues.backend.progress("a", claim.fence, b'{"done":1}')
        assert await queues.backend.checkpoint("a", claim.fence, b'{"row":7}')
        await settled(queues, failed(claim, retry_in=0.0))
        (again,) = await claimed(queues)
        assert again.checkpoint == b'{"row":7}'
        assert (await shown(queues, "a")).progress == b'{"done":1}'
        assert not await queues.backend.progress("a", claim.fence, b"2")
        assert not await queues.backend.checkpoint("a", claim.fence, b"2")
        assert (await shown(queues, "a")).checkpoint == b'{"row":7}'

    async def test_a_step_has_one_outcome_for_all_attempts(self, queues: QueuesUnderTest) -> None:
        claim = await running(queues, new("a"))
        assert await queues.backend.recall("a", "pay") is None
        assert await queues.backend.remember("a", claim.fence, "pay", b"1") == b"1"
        assert await queues.backend.remember("a", claim.fence, "pay", b"2") == b"1"
        await settled(queues, failed(claim, retry_in=0.0))
        (again,) = await claimed(queues)
        assert await queues.backend.remember("a", claim.fence, "ship", b"0") is None
        assert await queues.backend.remember("a", again.fence, "pay", b"3") == b"1"
        assert await queues.other.recall("a", "pay") == b"1"
        assert await queues.backend.recall("a", "ship") is None

    async def test_what_is_not_there_is_said_to_be_so(self, queues: QueuesUnderTest) -> None:
        assert await queues.backend.get("nobody") is None
        assert await queues.backend.recall("nobody", "step") is None
        assert not await queues.backend.holds("nobody", 1)
        assert not await queues.backend.progress("nobody", 1, b"1")

    async def test_an_unanswered_enqueue_can_be_repeated(self, queues: QueuesUnderTest) -> None:
        async def unanswered() -> None:
            await queues.backend.enqueue([new("a"), new("b")])
            raise BackendUnavailableError("the answer was lost")

        with pytest.raises(BackendUnavailableError):
            await unanswered()
        again = await queues.backend.enqueue([new("a"), new("b")])
        assert [answer.created for answer in again] == [False, False]
        assert await claimed_ids(queues) == ["a", "b"]

    async def test_the_default_policy_is_the_default(self, queues: QueuesUnderTest) -> None:
        assert (await running(queues, new("a"))).policy == JobPolicy()
