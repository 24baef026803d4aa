"""A worker: claims jobs, runs them in slots, settles them, and leaves in good order.

    claim loop ──▶ ready ──▶ slots ──▶ outbox ──▶ claim loop
                     ▲ leases: renewed from a thread of its own, given up by its own clock

`claiming` talks to the server, `slots` runs jobs, `lease` keeps them; this puts them together.
"""

import asyncio
import os
import random
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tidegate.clock import SYSTEM, Clock
from tidegate.errors import BackendUnavailableError
from tidegate.ids import new_id
from tidegate.jobs.affinities import Affinities
from tidegate.jobs.attempt import Stop
from tidegate.jobs.backend import Exchange, Renewal, Settlement, WorkerReport
from tidegate.jobs.claiming import ClaimLoop
from tidegate.jobs.drain import Drain
from tidegate.jobs.holdings import Holdings
from tidegate.jobs.lease import Fence, Held, LeaseKeeper, Verdicts
from tidegate.jobs.slots import Slots
from tidegate.jobs.sweeper import Sweeper
from tidegate.observability.logs import Logger
from tidegate.observability.metrics import REFUSED, Recorder
from tidegate.spec import WorkerSpec

if TYPE_CHECKING:
    from tidegate.client import Client

log = Logger("tidegate.worker")

STUCK_AFTER: Final = 60.0
STUCK_STATUS: Final = 70
STOP_GRACE: Final = 5.0
_IDLE_LOOKS: Final = 8
_SWEEP_EVERY: Final = 2.0


class Worker:
    """Runs the jobs of some queues until it is told to stop, or has been idle for long enough.

    Args:
        client: The app's open connection.
        spec: What it serves, with how many slots.
        idle_timeout: Seconds without a job after which it leaves by itself; None to stay.
        stuck_after: Seconds without progress of the claim loop, while the server answers, after
            which the process ends itself with status 70.
        clock: Where time comes from.
        chance: Uniform in [0, 1): jitter of retries and renewals.

    Attributes:
        id: Unique for ever.
        drain: Whether it is on its way out.
    """

    def __init__(
        self,
        client: "Client",
        spec: WorkerSpec,
        *,
        idle_timeout: float | None = None,
        stuck_after: float = STUCK_AFTER,
        clock: Clock = SYSTEM,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.id = new_id()
        self.drain = Drain(spec.drain, clock)
        self._client = client
        self._spec = spec
        self._idle_timeout = idle_timeout
        self._stuck_after = stuck_after
        self._backend = client.queue_backend
        self._recorder = Recorder()
        self._refused = self._recorder.counter(REFUSED, {})
        queues = [client.app.find_queue(name) for name in spec.queues]
        leases = {queue.name: queue.settings.lease for queue in queues}
        hooks = {queue.name: queue.release_hook for queue in queues}
        self._affinities = Affinities(self.id, self._backend, hooks)
        self._holdings = Holdings(self._affinities)
        self._claims = ClaimLoop(
            self.id,
            self._backend,
            leases=leases,
            slots=spec.slots,
            holdings=self._holdings,
            answered=self._answered,
            clock=clock,
        )
        self._slots = Slots(
            self.id,
            client,
            count=spec.slots,
            holdings=self._holdings,
            drain=self.drain,
            recorder=self._recorder,
            settled=self._claims.settled,
            clock=clock,
            chance=chance,
        )
        self._fence = Fence(self._holdings.held, clock)
        self._keeper = LeaseKeeper(self, lease=min(leases.values()), clock=clock, chance=chance)
        self._sweeper = Sweeper(self._backend, spec.queues, every=_SWEEP_EVERY)

    async def run(self) -> None:
        """Work until drained.

        Draining stops claims and hands back at once what has not started. Running jobs have the
        drain's budget to finish; then they are cancelled and handed back, which uses up none of
        their attempts. Affinities are synced and released, and the worker takes its leave. A
        handler that cannot be stopped, a thread above all, ends with the process, here.
        """
        self._loop = asyncio.get_running_loop()
        log.info("worker_started", worker=self.id, queues=self._spec.queues, slots=self._spec.slots)
        self._keeper.start()
        try:
            async with asyncio.TaskGroup() as group:
                await self._work(group)
        finally:
            self._slots.close()
            await self._keeper.close()
        log.info("worker_left", worker=self.id)

    async def _work(self, group: asyncio.TaskGroup) -> None:
        claiming = group.create_task(self._claims.run(), name="claims")
        self._slots.start(group)
        minding = [
            group.create_task(self._fence.run(), name="fence"),
            group.create_task(self._sweeper.run(), name="sweep"),
        ]
        if self._idle_timeout is not None:
            idle = self._leave_when_idle(self._idle_timeout)
            minding.append(group.create_task(idle, name="idle"))
        await self.drain.begun.wait()
        await self._wind_down(claiming)
        for task in minding:
            task.cancel()

    async def _wind_down(self, claiming: "asyncio.Task[None]") -> None:
        log.info("worker_draining", worker=self.id, running=self._slots.busy)
        self._claims.stop_claiming()
        self._keeper.kick()
        await self._finish_running()
        await self._affinities.release_all()
        self._holdings.close()
        self._claims.close()
        await claiming
        # A renewal under way would register again what is about to take its leave.
        await self._keeper.close()
        with suppress(BackendUnavailableError):
            await self._backend.leave(self.id)
        if self._holdings.open or self._slots.stragglers:
            self._quit(1 if self._holdings.open else 0)

    async def _finish_running(self) -> None:
        await self._emptied(self.drain.seconds_left, self.drain.hurried)
        for held in self._holdings.held():
            held.ask(Stop.DRAIN, "its worker was told to stop")
        await self._emptied(STOP_GRACE)
        for held in self._holdings.held():
            # It would not let itself be stopped; its lease will lapse, which counts as a crash.
            log.error("job_abandoned", job=held.claim.id, name=held.claim.name)

    async def _emptied(self, seconds: float | None, *events: asyncio.Event) -> None:
        """Return when nothing is held, one of `events` is set, or `seconds` have passed."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._holdings.emptied, *events)]
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _leave_when_idle(self, seconds: float) -> None:
        quiet, seen = 0, -1
        while quiet < _IDLE_LOOKS:
            await asyncio.sleep(seconds / _IDLE_LOOKS)
            total = self._holdings.total
            quiet = quiet + 1 if total == seen and not self._holdings.open else 0
            seen = total
        log.info("worker_idle", worker=self.id, idle_s=seconds)
        self.drain.begin()

    def _answered(self, settled: Sequence[Settlement], answer: Exchange) -> None:
        if answer.wanted:
            self._affinities.wanted(answer.wanted)
        if all(answer.accepted):
            return
        for settlement, accepted in zip(settled, answer.accepted, strict=True):
            if not accepted:
                self._refused.add()
                log.warning("settlement_refused", job=settlement.id, fence=settlement.fence)

    # What the lease keeper asks, from its thread

    def held(self) -> list[Held]:
        """As `Renewing.held`."""
        return self._holdings.held()

    def renew(self, held: Sequence[Held]) -> Renewal:
        """As `Renewing.renew`."""
        metrics, told = self._recorder.taken()
        report = WorkerReport(
            worker=self.id,
            task=self._client.settings.task,
            queues=list(self._spec.queues),
            slots=self._spec.slots,
            busy=self._slots.busy,
            draining=self.drain.is_on,
            host=socket.gethostname(),
            pid=os.getpid(),
            metrics=metrics,
        )
        pairs = [(each.claim.id, each.claim.fence) for each in held]
        renewal = self._backend.renew(report, pairs)
        self._recorder.told(told)
        return renewal

    def judge(self, verdicts: Verdicts) -> None:
        """As `Renewing.judge`."""
        self._loop.call_soon_threadsafe(verdicts.tell)

    def is_stuck(self, now: float) -> bool:
        """As `Renewing.is_stuck`."""
        return now - self._claims.turned_at > self._stuck_after

    def give_up(self) -> None:
        """As `Renewing.give_up`."""
        log.error("worker_stuck", worker=self.id, for_s=self._stuck_after)
        self._quit(STUCK_STATUS)

    def _quit(self, status: int) -> None:
        # Not sys.exit: that waits for threads, and for an event loop that may never turn again.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
