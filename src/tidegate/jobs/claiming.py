"""The claim loop: one call settles what is finished and claims what there is room for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tidegate.clock import Clock
from tidegate.errors import BackendUnavailableError
from tidegate.jobs.attempt import Stop
from tidegate.jobs.backend import Exchange, QueueBackend, Settlement
from tidegate.jobs.holdings import Holdings
from tidegate.jobs.lease import Held
from tidegate.jobs.pace import Pace, room
from tidegate.jobs.sleeping import Sleep
from tidegate.observability.logs import Logger

log = Logger("tidegate.worker")

LANES: Final = 2
LONGEST_WAIT: Final = 0.001
LONGEST_HOARD: Final = 0.1
_WORTH_A_SECOND: Final = 20
_RETRY: Final = 0.2

Answered = Callable[[Sequence[Settlement], Exchange], None]


class ClaimLoop:
    """Exchanges outcomes for jobs until it is closed.

    It sends at once while slots are idle. While buffered jobs keep them busy it gathers outcomes,
    up to `Pace.batch` or for 1 ms, because one call for many costs the server a fraction; and it
    has up to two calls under way, so that the server works on one while this process works on the
    other. Buffered jobs that have not started after 0.1 s are handed back for others.

    Args:
        worker: The worker's id.
        backend: The queues.
        leases: Seconds that a claim lasts, by queue served.
        slots: Jobs to run at once.
        holdings: Where claims go and outcomes come from.
        answered: Called with each answer, for what is not about claims and leases.
        clock: Where monotonic time comes from.

    Attributes:
        turned_at: When it last heard from the server or gave up waiting for it (monotonic).
    """

    def __init__(
        self,
        worker: str,
        backend: QueueBackend,
        *,
        leases: dict[str, float],
        slots: int,
        holdings: Holdings,
        answered: Answered,
        clock: Clock,
    ) -> None:
        self.turned_at = clock.monotonic()
        self._worker = worker
        self._backend = backend
        self._leases = leases
        self._queues = tuple(leases)
        self._slots = slots
        self._holdings = holdings
        self._answered = answered
        self._clock = clock
        self._pace = Pace()
        self._sleep = Sleep(worker, backend, self._queues, clock=clock, woken=self._slept)
        self._is_claiming = True
        self._is_closed = False
        self._is_starved = False
        self._must_look = True
        self._due_at: float | None = None
        self._under_way = 0
        self._asked = 0
        self._parked: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Exchange until closed and the last outcome is sent."""
        try:
            async with asyncio.TaskGroup() as lanes:
                for number in range(LANES):
                    lanes.create_task(self._lane(), name=f"claims-{number}")
        finally:
            await self._sleep.end()
            if self._timer is not None:
                self._timer.cancel()

    def stop_claiming(self) -> None:
        """Claim nothing from now on, and hand back what has not started."""
        self._is_claiming = False
        self._holdings.hand_back()
        self.wake()

    def close(self) -> None:
        """Return from `run` once the outcomes settled so far are sent."""
        self._is_closed = True
        for _ in range(LANES):
            self.wake()

    def wake(self) -> None:
        """Look at what there is to send and to claim."""
        while self._parked:
            parked = self._parked.pop()
            if not parked.done():
                parked.set_result(None)
                return

    def settled(self) -> None:
        """An outcome has been added; called for every job, so it is short."""
        holdings = self._holdings
        if not holdings.ready or len(holdings.outbox) >= self._pace.batch:
            self.wake()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LONGEST_WAIT, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self.wake()

    async def _lane(self) -> None:
        while not (self._is_closed and not self._holdings.outbox):
            self._return_hoard()
            limit = self._room()
            if self._has_cause(limit):
                await self._exchange(limit)
            else:
                await self._park()

    def _has_cause(self, limit: int) -> bool:
        outcomes = len(self._holdings.outbox)
        if self._under_way:
            return outcomes >= max(_WORTH_A_SECOND, self._pace.batch)
        return bool(limit or outcomes or self._must_look)

    def _room(self) -> int:
        if not self._is_claiming:
            return 0
        # Starved, it asks only where it has something to say anyway, or was woken.
        if self._is_starved and not (self._holdings.outbox or self._must_look):
            return 0
        return room(self._slots, self._pace.buffer, self._holdings.open + self._asked)

    async def _exchange(self, limit: int) -> None:
        self._must_look = False
        settle = self._holdings.taken()
        sent = self._clock.monotonic()
        self._under_way += 1
        self._asked += limit
        try:
            answer = await self._backend.exchange(
                self._worker, settle=settle, queues=self._queues, limit=limit
            )
        except BackendUnavailableError as error:
            await self._wait_out(settle, error)
        else:
            self._take(answer, settle, limit, sent)
        finally:
            self._under_way -= 1
            self._asked -= limit
        self.turned_at = self._clock.monotonic()

    def _return_hoard(self) -> None:
        ready = self._holdings.ready
        if ready and self._clock.monotonic() - ready[0].claimed_at > LONGEST_HOARD:
            self._pace.rested()
            self._holdings.hand_back()

    async def _park(self) -> None:
        """Sleep until an outcome is added, the server has news, or buffered jobs grow old."""
        loop = asyncio.get_running_loop()
        parked: asyncio.Future[None] = loop.create_future()
        self._parked.append(parked)
        ageing = loop.call_later(LONGEST_HOARD, self.wake) if self._holdings.ready else None
        if not self._under_way:
            has_room = self._is_starved and self._is_claiming
            self._sleep.begin(has_room=has_room, until=self._due_at)
        try:
            await parked
        finally:
            if ageing is not None:
                ageing.cancel()

    def _slept(self) -> None:
        # Woken or not, look: it is also the worker's sign of life.
        self._must_look = True
        self.wake()

    async def _wait_out(self, settle: list[Settlement], error: Exception) -> None:
        log.warning("queue_unavailable", error=str(error), unsent=len(settle))
        self._holdings.put_back(settle)
        self._must_look = True
        await asyncio.sleep(_RETRY)

    def _take(
        self, answer: Exchange, settle: Sequence[Settlement], limit: int, sent: float
    ) -> None:
        holdings = self._holdings
        if settle:
            self._pace.finished(len(settle), self._clock.monotonic())
            holdings.sent(settle)
        holdings.add(self._held(answer, sent))
        for job, reason in answer.cancelling:
            held = holdings.find(job)
            if held is not None:
                held.ask(Stop.CANCEL, reason)
        self._answered(settle, answer)
        if not self._is_claiming:
            holdings.hand_back()
        elif limit:
            self._is_starved = len(answer.claims) < limit
            due = answer.next_due_in
            self._due_at = None if due is None else sent + due
            if not holdings.open:
                self._pace.rested()

    def _held(self, answer: Exchange, sent: float) -> list[Held]:
        leases = self._leases
        return [Held(claim, lease=leases[claim.queue], claimed_at=sent) for claim in answer.claims]
