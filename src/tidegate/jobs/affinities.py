"""The affinities a worker owns, and how it gives them up: sync first, then release."""

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tidegate.errors import TidegateError
from tidegate.jobs.backend import QueueBackend
from tidegate.jobs.job import Claim
from tidegate.observability.logs import Logger

log = Logger("tidegate.worker")

ReleaseHook = Callable[[str, int], Any]
Owned = tuple[str, str]


class Affinities:
    """What one worker owns.

    Args:
        worker: The worker's id.
        backend: Where ownership is kept.
        hooks: What to call, by queue, before an affinity is released.
    """

    def __init__(
        self, worker: str, backend: QueueBackend, hooks: Mapping[str, ReleaseHook | None]
    ) -> None:
        self._worker = worker
        self._backend = backend
        self._hooks = hooks
        self._owned: dict[Owned, int] = {}
        self._running: dict[Owned, int] = {}
        self._releasing: dict[Owned, asyncio.Task[None]] = {}

    def claimed(self, claim: Claim) -> None:
        """A job with an affinity was claimed; the affinity is owned from now on."""
        owned = (claim.queue, claim.affinity or "")
        self._owned[owned] = claim.affinity_epoch
        self._running[owned] = self._running.get(owned, 0) + 1

    def settled(self, claim: Claim) -> None:
        """Such a job is over."""
        owned = (claim.queue, claim.affinity or "")
        left = self._running.pop(owned) - 1
        if left:
            self._running[owned] = left

    def wanted(self, wanted: Sequence[tuple[str, str, int]]) -> None:
        """Others wait for these: sync and release each, in the background."""
        for queue, affinity, epoch in wanted:
            owned = (queue, affinity)
            if owned not in self._releasing and owned not in self._running:
                self._owned[owned] = epoch
                self._releasing[owned] = asyncio.create_task(
                    self._release(owned), name=f"release-{affinity}"
                )

    async def release_all(self) -> None:
        """Sync and release everything owned; returns when it is done."""
        for owned in list(self._owned):
            if owned not in self._releasing:
                self._releasing[owned] = asyncio.create_task(
                    self._release(owned), name=f"release-{owned[1]}"
                )
        if self._releasing:
            await asyncio.wait(list(self._releasing.values()))

    async def _release(self, owned: Owned) -> None:
        queue, affinity = owned
        epoch = self._owned[owned]
        try:
            await self._hook(owned, epoch)
            # While the hook ran, a slot may have come free and taken a job of this affinity; it
            # is then refused, and asked for again when that job has ended.
            if await self._backend.release_affinity(self._worker, queue, affinity, epoch):
                self._owned.pop(owned, None)
        except TidegateError as error:
            log.warning("release_failed", queue=queue, affinity=affinity, error=str(error))
        except Exception:
            # What the hook was to save is not safe: keep the affinity until the lease decides.
            log.exception("before_release_failed", queue=queue, affinity=affinity)
        finally:
            del self._releasing[owned]

    async def _hook(self, owned: Owned, epoch: int) -> None:
        hook = self._hooks.get(owned[0])
        if hook is None:
            return
        outcome = hook(owned[1], epoch)
        if inspect.isawaitable(outcome):
            await outcome
