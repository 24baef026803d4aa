"""Leases, as their holder keeps them: renewed from a thread, given up by its own clock.

The thread has its own connection, so a handler that blocks the event loop does not cost its
neighbours their leases. A lease is known here to end a little before the server lets it lapse,
counted from when the claim or renewal was *sent*: a holder that hears nothing stops first, without
asking anyone.
"""

import asyncio
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from tidegate.clock import SYSTEM, Clock
from tidegate.errors import TidegateError
from tidegate.jobs.attempt import Stop
from tidegate.jobs.backend import Renewal
from tidegate.jobs.job import Claim

RENEWALS_PER_LEASE: Final = 3
JITTER: Final = 0.1
_SAFETY: Final = 0.05
_RETRY: Final = 1.0
_LONGEST_LOOK: Final = 1.0


def held_until(sent: float, lease: float) -> float:
    """Until when (monotonic) a lease asked for at `sent` is certain to stand."""
    return sent + lease * (1 - _SAFETY)


class Held:
    """A job this worker holds: its lease, and how to stop it. Belongs to the event loop.

    Attributes:
        claim: The job.
        lease: Seconds a renewal is good for.
        claimed_at: When (monotonic) the claim was sent.
        until: Monotonic time until which the lease certainly stands; the keeper moves it on.
        stop: Why it was asked to stop; None while it was not. The first reason stays, except
            that a lost lease outdoes the others.
        reason: The same in words.
        is_settled: Its outcome is decided; renewals no longer concern it.
        is_detached: An outside program will report for it.
        interrupt: What to call to stop it; None while it does not run.
        straggler: The thread that still runs it although its outcome is decided; None mostly.
    """

    __slots__ = (
        "claim",
        "claimed_at",
        "interrupt",
        "is_detached",
        "is_settled",
        "lease",
        "reason",
        "stop",
        "straggler",
        "until",
    )

    def __init__(self, claim: Claim, *, lease: float, claimed_at: float) -> None:
        self.claim = claim
        self.lease = lease
        self.claimed_at = claimed_at
        self.until = held_until(claimed_at, lease)
        self.stop: Stop | None = None
        self.reason = ""
        self.is_settled = False
        self.is_detached = False
        self.interrupt: Callable[[], object] | None = None
        self.straggler: asyncio.Future[Any] | None = None

    def has_passed(self, now: float) -> bool:
        """Whether the lease may have lapsed by `now` (monotonic): nothing may be written then."""
        return self.until < now

    def ask(self, stop: Stop, reason: str) -> None:
        """Ask it to stop; asking again for the same or a lesser cause changes nothing."""
        if self.is_settled or (self.stop is not None and stop is not Stop.LOST):
            return
        if stop is Stop.LOST and self.is_detached:
            return  # what an outside program's report looks like from here
        was_asked = self.stop is not None
        self.stop, self.reason = stop, reason
        if self.interrupt is not None and not was_asked:
            self.interrupt()


class Verdicts(Struct, frozen=True):
    """What a round of the keeper found: jobs lost, and jobs to cancel with the reason."""

    lost: Sequence[Held] = ()
    cancelled: Sequence[tuple[Held, str]] = ()

    def tell(self) -> None:
        """Ask the jobs concerned to stop; on the event loop."""
        for held in self.lost:
            held.ask(Stop.LOST, "its lease has passed to another worker")
        for held, reason in self.cancelled:
            held.ask(Stop.CANCEL, reason)


class Renewing(Protocol):
    """What the keeper needs of its worker; called from the keeper's thread."""

    def held(self) -> list[Held]:
        """Every job held now, buffered ones too."""
        ...

    def renew(self, held: Sequence[Held]) -> Renewal:
        """Renew these leases and report; raises BackendUnavailableError."""
        ...

    def judge(self, verdicts: Verdicts) -> None:
        """Have the event loop tell the jobs concerned."""
        ...

    def is_stuck(self, now: float) -> bool:
        """Whether the claim loop has made no progress for too long."""
        ...

    def give_up(self) -> None:
        """End the process: its event loop no longer turns."""
        ...


class LeaseKeeper:
    """Renews everything a worker holds, in one call, three times within the shortest lease."""

    def __init__(
        self,
        worker: Renewing,
        *,
        lease: float,
        clock: Clock = SYSTEM,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._worker = worker
        self._interval = lease / RENEWALS_PER_LEASE
        self._clock = clock
        self._chance = chance
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def kick(self) -> None:
        """Renew now instead of at the next beat; safe from any thread."""
        self._wake.set()

    async def close(self) -> None:
        """End the thread and wait for it; closing again does nothing."""
        self._closing = True
        self._wake.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._closing:
            pause = self.round()
            self._wake.wait(pause)
            self._wake.clear()

    def round(self) -> float:
        """Renew once; seconds until the next round."""
        sent, held = self._clock.monotonic(), self._worker.held()
        try:
            renewal = self._worker.renew(held)
        except TidegateError:
            return min(_RETRY, self._interval)
        self._apply(held, renewal, sent)
        if self._worker.is_stuck(self._clock.monotonic()):
            self._worker.give_up()
        return self._beat()

    def _beat(self) -> float:
        return self._interval * (1 - JITTER + 2 * JITTER * self._chance())

    def _apply(self, held: Sequence[Held], renewal: Renewal, sent: float) -> None:
        verdicts = sorted_out(held, renewal.verdicts, renewal.reasons)
        lost = set(map(id, verdicts.lost))
        for each in held:
            if id(each) not in lost:
                each.until = held_until(sent, each.lease)
        if verdicts.lost or verdicts.cancelled:
            self._worker.judge(verdicts)


class Fence:
    """Stops attempts whose lease has passed by the worker's own clock, whatever the server says.

    Args:
        held: What the worker holds now.
        clock: Where monotonic time comes from.
    """

    def __init__(self, held: Callable[[], Sequence[Held]], clock: Clock) -> None:
        self._held = held
        self._clock = clock

    async def run(self) -> None:
        """Look whenever a lease may have passed, until cancelled."""
        while True:  # noqa: ASYNC110 - there is nothing to wait for but the clock
            await asyncio.sleep(self.look())

    def look(self) -> float:
        """Stop what may not go on; seconds until the next look."""
        now, pause = self._clock.monotonic(), _LONGEST_LOOK
        for held in self._held():
            if held.has_passed(now):
                held.ask(Stop.LOST, "its lease has passed without being renewed")
            else:
                pause = min(pause, held.until - now)
        return max(0.0, pause)


def sorted_out(held: Sequence[Held], letters: str, reasons: Mapping[str, str]) -> Verdicts:
    """The verdicts of a renewal, by what they ask for."""
    pairs = list(zip(held, letters, strict=True))
    return Verdicts(
        lost=[each for each, letter in pairs if letter == "l"],
        cancelled=[
            (each, reasons.get(each.claim.id, "")) for each, letter in pairs if letter == "c"
        ],
    )
