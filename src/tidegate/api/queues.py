"""Queues over HTTP: counts and rates, pause and resume, redrive."""

from typing import Literal

from msgspec import Struct

from tidegate.api.call import Call
from tidegate.jobs.backend import QueueStats
from tidegate.jobs.job import State


class QueueBody(Struct):
    """A queue now. `depth` is ready plus running; ages in seconds, rates per second."""

    name: str
    depth: int
    ready: int
    running: int
    scheduled: int
    pending: int
    bound: int
    dead: int
    quarantined: int
    paused: bool
    oldest_age_s: float
    enqueue_rate: float
    finish_rate: float
    enqueued_total: int
    succeeded_total: int
    failed_total: int


class QueuesBody(Struct):
    """Every queue the app declares."""

    queues: list[QueueBody]


class RedriveBody(Struct, forbid_unknown_fields=True):
    """Which jobs to make ready again: up to `limit` of those that ended in `state`."""

    state: Literal["dead", "quarantined", "cancelled", "expired"] = "dead"
    limit: int = 1000


class RedrivenBody(Struct):
    """How many jobs were made ready again."""

    redriven: int


async def browse(call: Call) -> QueuesBody:
    """Counts and rates of every queue."""
    return QueuesBody([_body(stats) for stats in await call.client.queues()])


async def show(call: Call) -> QueueBody:
    """Counts and rates of one queue."""
    queue = call.client.app.find_queue(call.path["queue"])
    (stats,) = await call.client.queue_backend.stats([queue.name])
    return _body(stats)


async def pause(call: Call) -> QueueBody:
    """Stop claims from a queue; jobs that run go on."""
    await call.client.pause(call.path["queue"])
    return await show(call)


async def resume(call: Call) -> QueueBody:
    """Let a paused queue be claimed from again."""
    await call.client.resume(call.path["queue"])
    return await show(call)


async def redrive(call: Call) -> RedrivenBody:
    """Make jobs of a queue that ended without success ready again."""
    body: RedriveBody = call.body
    return RedrivenBody(
        await call.client.redrive_all(call.path["queue"], state=State(body.state), limit=body.limit)
    )


def _body(stats: QueueStats) -> QueueBody:
    return QueueBody(
        name=stats.name,
        depth=stats.depth,
        ready=stats.ready,
        running=stats.running,
        scheduled=stats.scheduled,
        pending=stats.pending,
        bound=stats.bound,
        dead=stats.dead,
        quarantined=stats.quarantined,
        paused=stats.paused,
        oldest_age_s=round(stats.oldest_age, 3),
        enqueue_rate=round(stats.enqueue_rate, 3),
        finish_rate=round(stats.finish_rate, 3),
        enqueued_total=stats.enqueued_total,
        succeeded_total=stats.succeeded_total,
        failed_total=stats.failed_total,
    )
