"""The sweeper: brings about what time alone changes in queues. Run as many as you like.

Every scheduler runs one, and so does every worker for the queues it serves, less often: a worker
that runs alone gets back the jobs of one that died.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from tidegate.errors import BackendUnavailableError
from tidegate.jobs.backend import QueueBackend
from tidegate.observability.logs import Logger

log = Logger("tidegate.sweeper")

# A sweep that comes this late has been kept away by something that may have stopped workers too.
SWEEP_PATIENCE: Final = 10.0
_SHORTEST_SLEEP: Final = 0.02
_RETRY: Final = 1.0


class Sweeper:
    """Returns lapsed leases, promotes due jobs, expires and prunes, until it is cancelled.

    Args:
        backend: Where the queues are.
        queues: Their names.
        every: Seconds between two sweeps where nothing is due earlier.
    """

    def __init__(self, backend: QueueBackend, queues: Sequence[str], *, every: float) -> None:
        self._backend = backend
        self._queues = list(queues)
        self._every = every

    async def run(self) -> None:
        """Sweep until cancelled. The store's being away is waited out."""
        while True:
            try:
                pause = await self.sweep()
            except BackendUnavailableError as error:
                log.warning("sweep_waits", error=str(error))
                pause = _RETRY
            await asyncio.sleep(pause)

    async def sweep(self) -> float:
        """Sweep every queue once; seconds until the next sweep is due."""
        report = await self._backend.sweep(self._queues, patience=SWEEP_PATIENCE)
        if report.lapsed:
            log.warning("leases_lapsed", jobs=report.lapsed, quarantined=report.quarantined)
        if report.next_due_in is None:
            return self._every
        return min(self._every, max(_SHORTEST_SLEEP, report.next_due_in))
