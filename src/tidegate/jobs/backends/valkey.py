"""Queues in Valkey. Each method is one call of a server-side function (`valkey*.lua`)."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Final, Self

import msgspec

from tidegate.connections.link import Argument, Reply
from tidegate.connections.valkey import BlockingValkey, Valkey
from tidegate.errors import IllegalTransitionError, QueueFullError, UnknownJobError
from tidegate.jobs.backend import (
    Exchange,
    Page,
    QueueSettings,
    QueueStats,
    Renewal,
    Settlement,
    SweepReport,
    WorkerReport,
)
from tidegate.jobs.backends.valkey_records import (
    claims,
    enqueue_calls,
    milliseconds,
    record,
    settle_arguments,
)
from tidegate.jobs.backends.valkey_wake import WakeKeys
from tidegate.jobs.job import Enqueued, JobRecord, NewJob, State

_SETTLEMENTS_PER_CALL: Final = 700
_RENEWALS_PER_CALL: Final = 1800
_IDS_PER_CALL: Final = 1000
_FULL_RETRY_AFTER: Final = 1.0


class ValkeyQueues:
    """The queues of one app, as one process sees them.

    Args:
        valkey: The connection for commands; not closed here.
        renew_timeout: Seconds after which a renewal gives up.
        now: Seconds since the epoch; the server's own clock where not given.

    Used as an async context manager. Waiting and renewing open connections of their own, when
    first used.
    """

    def __init__(
        self,
        valkey: Valkey,
        *,
        renew_timeout: float = 5.0,
        now: Callable[[], float] | None = None,
    ) -> None:
        self._valkey = valkey
        self._now = now
        self._wake = WakeKeys(valkey)
        self._renewing = threading.Lock()
        self._renewals = BlockingValkey(
            valkey.address, app=valkey.app, timeout=renew_timeout, name="tidegate-renew"
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._wake.close()
        self._renewals.close()

    async def declare(self, queues: Sequence[QueueSettings]) -> None:
        """As `QueueBackend.declare`."""
        args: list[Argument] = []
        for queue in queues:
            args += (
                queue.name,
                queue.lanes,
                milliseconds(queue.lease),
                milliseconds(queue.ageing),
                queue.max_depth,
                queue.concurrency,
                queue.rate,
                queue.burst,
            )
        await self._call("declare", *args)

    async def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """As `QueueBackend.enqueue`. Past 300 jobs it is several calls, in order."""
        calls = enqueue_calls(jobs)
        answers: list[Reply] = []
        for args in calls:
            answers += _unless_full(await self._call("enqueue", *args))
        return [
            Enqueued(job.id, created=answer == 1)
            if isinstance(answer, int)
            else Enqueued(answer.decode(), created=False)
            for job, answer in zip(jobs, answers, strict=True)
        ]

    async def exchange(
        self,
        worker: str,
        *,
        settle: Sequence[Settlement] = (),
        queues: Sequence[str] = (),
        limit: int = 0,
    ) -> Exchange:
        """As `QueueBackend.exchange`. Past 700 settlements it is several calls, in order."""
        accepted: list[bool] = []
        while len(settle) > _SETTLEMENTS_PER_CALL:
            part, settle = settle[:_SETTLEMENTS_PER_CALL], settle[_SETTLEMENTS_PER_CALL:]
            accepted += (await self._exchange(worker, part, (), 0)).accepted
        answer = await self._exchange(worker, settle, queues, limit)
        if accepted:
            return msgspec.structs.replace(answer, accepted=accepted + answer.accepted)
        return answer

    async def _exchange(
        self, worker: str, settle: Sequence[Settlement], queues: Sequence[str], limit: int
    ) -> Exchange:
        accepted, claimed, due, wanted, cancelling = await self._call(
            "exchange", worker, limit, len(queues), *queues, *settle_arguments(settle)
        )
        return Exchange(
            accepted=[letter == 49 for letter in accepted],  # noqa: PLR2004 - the byte "1"
            claims=claims(claimed, queues) if claimed else [],
            next_due_in=None if due < 0 else due / 1000,
            wanted=[(queue.decode(), name.decode(), epoch) for queue, name, epoch in wanted],
            cancelling=_pairs(cancelling),
        )

    async def wait(self, worker: str, queues: Sequence[str], seconds: float) -> bool:
        """As `QueueBackend.wait`."""
        names = [f"wake:w:{worker}", *(f"wake:q:{queue}" for queue in queues)]
        return await self._wake.pop(names, seconds) is not None

    async def wait_for_work(self, seconds: float) -> str | None:
        """As `QueueBackend.wait_for_work`."""
        return await self._wake.pop(["wake:orchestrator"], seconds)

    def renew(self, report: WorkerReport, held: Sequence[tuple[str, int]]) -> Renewal:
        """As `QueueBackend.renew`; threads take turns."""
        with self._renewing:
            return self._renew(report, held)

    def _renew(self, report: WorkerReport, held: Sequence[tuple[str, int]]) -> Renewal:
        metrics = msgspec.json.encode(report.metrics) if report.metrics else b""
        told = msgspec.json.encode(msgspec.structs.replace(report, metrics={}))
        verdicts = ""
        reasons: dict[str, str] = {}
        for first in range(0, max(1, len(held)), _RENEWALS_PER_CALL):
            pairs = held[first : first + _RENEWALS_PER_CALL]
            letters, asked = self._renewals.fcall(
                "renew",
                self._time(),
                report.worker,
                told,
                metrics,
                len(report.queues),
                *report.queues,
                *(word for pair in pairs for word in pair),
            )
            metrics = b""
            verdicts += letters.decode()
            reasons.update(_pairs(asked))
        return Renewal(verdicts=verdicts, reasons=reasons)

    async def leave(self, worker: str) -> None:
        """As `QueueBackend.leave`."""
        await self._call("leave", worker)

    async def release_affinity(self, worker: str, queue: str, affinity: str, epoch: int) -> bool:
        """As `QueueBackend.release_affinity`."""
        return bool(await self._call("release_affinity", worker, queue, affinity, epoch))

    async def owns_affinity(self, queue: str, affinity: str, epoch: int) -> bool:
        """As `QueueBackend.owns_affinity`."""
        return bool(await self._call("owns_affinity", queue, affinity, epoch))

    async def progress(self, job: str, fence: int, value: bytes) -> bool:
        """As `QueueBackend.progress`."""
        return bool(await self._call("write", job, fence, "pg", value))

    async def checkpoint(self, job: str, fence: int, value: bytes) -> bool:
        """As `QueueBackend.checkpoint`."""
        return bool(await self._call("write", job, fence, "cp", value))

    async def remember(self, job: str, fence: int, step: str, value: bytes) -> bytes | None:
        """As `QueueBackend.remember`."""
        stands: bytes | None = await self._call("remember", job, fence, step, value)
        return stands

    async def recall(self, job: str, step: str) -> bytes | None:
        """As `QueueBackend.recall`."""
        stands: bytes | None = await self._valkey.call("HGET", self._record(job), f"m:{step}")
        return stands

    async def holds(self, job: str, fence: int) -> bool:
        """As `QueueBackend.holds`."""
        return bool(await self._call("holds", job, fence))

    async def get(self, job: str) -> JobRecord | None:
        """As `QueueBackend.get`."""
        fields = await self._call("show", job)
        return record(job, fields) if fields else None

    async def browse(
        self, queue: str, *, state: State | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page:
        """As `QueueBackend.browse`. A page may be short of `limit` and yet not be the last."""
        after, flat = await self._call("browse", queue, state or "", cursor or "", limit)
        each = iter(flat)
        jobs = [record(job.decode(), fields) for job, fields in zip(each, each, strict=True)]
        return Page(jobs=jobs, cursor=after.decode() or None)

    async def cancel(self, job: str, reason: str) -> State:
        """As `QueueBackend.cancel`."""
        states = await self._call("cancel", job, reason)
        if not states:
            raise UnknownJobError(job)
        before, after = (State(state.decode()) for state in states)
        if before is after and before is not State.RUNNING:
            raise IllegalTransitionError(
                job, "cancel", before, [State.PENDING, State.SCHEDULED, State.READY, State.RUNNING]
            )
        return after

    async def redrive(self, jobs: Sequence[str]) -> int:
        """As `QueueBackend.redrive`."""
        redriven = 0
        for first in range(0, len(jobs), _IDS_PER_CALL):
            redriven += await self._call("redrive", *jobs[first : first + _IDS_PER_CALL])
        return redriven

    async def pause(self, queue: str, *, paused: bool) -> None:
        """As `QueueBackend.pause`."""
        await self._call("pause", queue, int(paused))

    async def stats(self, queues: Sequence[str]) -> list[QueueStats]:
        """As `QueueBackend.stats`."""
        replies = await asyncio.gather(*(self._call("stats", queue) for queue in queues))
        return [_stats(queue, reply) for queue, reply in zip(queues, replies, strict=True)]

    async def workers(self) -> list[WorkerReport]:
        """As `QueueBackend.workers`."""
        reports = await self._call("workers")
        return [msgspec.json.decode(report, type=WorkerReport) for report in reports]

    async def metrics(self) -> dict[str, dict[str, float]]:
        """As `QueueBackend.metrics`."""
        counts: dict[str, dict[str, float]] = {}
        stored = await self._valkey.call("HGETALL", self._valkey.prefix + "metrics")
        for name, value in stored.items():
            metric, bucket = name.decode().split("\t", 1)
            counts.setdefault(metric, {})[bucket] = float(value)
        return counts

    async def sweep(
        self, queues: Sequence[str], *, limit: int = 500, patience: float | None = None
    ) -> SweepReport:
        """As `QueueBackend.sweep`."""
        if not queues:
            return SweepReport()
        late = 0 if patience is None else milliseconds(patience)
        replies = await asyncio.gather(
            *(self._call("sweep", queue, limit, late) for queue in queues)
        )
        promoted, lapsed, expired, quarantined, pruned, soonest = zip(*replies, strict=True)
        ahead = [due / 1000 for due in soonest if due >= 0]
        return SweepReport(
            promoted=sum(promoted),
            lapsed=sum(lapsed),
            expired=sum(expired),
            quarantined=sum(quarantined),
            pruned=sum(pruned),
            next_due_in=min(ahead, default=None),
        )

    def _record(self, job: str) -> str:
        return f"{self._valkey.prefix}j:{job}"

    def _time(self) -> Argument:
        return "" if self._now is None else milliseconds(self._now())

    async def _call(self, function: str, *args: Argument) -> Reply:
        return await self._valkey.fcall(function, self._time(), *args)


def _unless_full(answer: list[Reply]) -> list[Reply]:
    if answer and answer[0] == b"full":
        _, queue, held, bound = answer
        raise QueueFullError(queue.decode(), held, bound, _FULL_RETRY_AFTER)
    return answer


def _pairs(flat: Sequence[bytes]) -> list[tuple[str, str]]:
    words = iter(flat)
    return [(left.decode(), right.decode()) for left, right in zip(words, words, strict=True)]


def _stats(queue: str, reply: Sequence[Reply]) -> QueueStats:
    *counts, enqueued, finished = reply
    ready, running, scheduled, pending, bound, dead, quarantined, paused, oldest, *totals = counts
    return QueueStats(
        name=queue,
        ready=ready,
        running=running,
        scheduled=scheduled,
        pending=pending,
        bound=bound,
        dead=dead,
        quarantined=quarantined,
        paused=bool(paused),
        oldest_age=oldest / 1000,
        enqueued_total=totals[0],
        succeeded_total=totals[1],
        failed_total=totals[2],
        enqueue_rate=float(enqueued),
        finish_rate=float(finished),
    )
