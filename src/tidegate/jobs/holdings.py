"""What a worker holds: jobs ready to start, running ones, and outcomes not yet sent."""

import asyncio
from collections import deque
from collections.abc import Sequence

from tidegate.jobs.affinities import Affinities
from tidegate.jobs.backend import Release, Settlement
from tidegate.jobs.lease import Held


class Holdings:
    """The jobs of one worker, on their way from claim to settlement.

    Bounded by what the worker claims: its slots and its buffer. Outcomes wait in `outbox` until
    they are sent; jobs that are not settled are all in `held`, which the lease keeper reads from
    its thread.

    Attributes:
        ready: Claimed and not started.
        outbox: Outcomes to be sent.
        open: Jobs claimed and not settled.
        total: Jobs ever claimed.
        emptied: Set while nothing is open.
    """

    def __init__(self, affinities: Affinities) -> None:
        self.ready: deque[Held] = deque()
        self.outbox: list[Settlement] = []
        self.open = 0
        self.total = 0
        self.emptied = asyncio.Event()
        self.emptied.set()
        self._affinities = affinities
        self._held: dict[str, Held] = {}
        self._free_slots: deque[asyncio.Future[None]] = deque()
        self._closed = False

    def held(self) -> list[Held]:
        """Every job whose lease is to be renewed; may be called from any thread."""
        return [each for each in list(self._held.values()) if not each.is_settled]

    def find(self, job: str) -> Held | None:
        """The job of that id, if it is held."""
        return self._held.get(job)

    def add(self, claimed: Sequence[Held]) -> None:
        """Take claimed jobs in, and wake as many idle slots."""
        if not claimed:
            return
        self.open += len(claimed)
        self.total += len(claimed)
        self.emptied.clear()
        for held in claimed:
            self._held[held.claim.id] = held
            if held.claim.affinity is not None:
                self._affinities.claimed(held.claim)
        self.ready.extend(claimed)
        for _ in range(min(len(claimed), len(self._free_slots))):
            self._free_slots.popleft().set_result(None)

    async def next(self) -> Held | None:
        """The next job to run, for a slot; None once there are to be no more."""
        while not self.ready:
            if self._closed:
                return None
            free: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._free_slots.append(free)
            await free
        return self.ready.popleft()

    def close(self) -> None:
        """Let slots end."""
        self._closed = True
        while self._free_slots:
            self._free_slots.popleft().set_result(None)

    def settle(self, held: Held, settlement: Settlement | None) -> None:
        """A job is over for this worker; None says nothing about it to the server."""
        held.is_settled = True
        self.open -= 1
        if not self.open:
            self.emptied.set()
        if held.claim.affinity is not None:
            self._affinities.settled(held.claim)
        if settlement is None:
            self._held.pop(held.claim.id, None)
        else:
            self.outbox.append(settlement)

    def hand_back(self) -> None:
        """Give back everything that has not started."""
        while self.ready:
            held = self.ready.popleft()
            claim = held.claim
            self.settle(held, Release(id=claim.id, fence=claim.fence, reason="drain"))

    def taken(self) -> list[Settlement]:
        """The outcomes to send now; they are the caller's from here on."""
        taken, self.outbox = self.outbox, []
        return taken

    def put_back(self, settlements: list[Settlement]) -> None:
        """Keep outcomes that could not be sent."""
        self.outbox[:0] = settlements

    def sent(self, settlements: Sequence[Settlement]) -> None:
        """Forget jobs whose outcome has been answered."""
        for settlement in settlements:
            held = self._held.get(settlement.id)
            # The job may have come back to this same worker meanwhile, under a new fence.
            if held is not None and held.claim.fence == settlement.fence:
                del self._held[settlement.id]
