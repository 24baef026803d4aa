"""What attacks: finds the processes of one `tidegate up` and kills or freezes them."""

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path

import psutil

from chaos.app import LEASE

MOMENTS = ("started", "effect", "published", "returned")
_MARKS = {"worker": " worker ", "control": " control ", "valkey": "valkey-server"}


class Nemesis:
    """Attacks the children of one process, one at a time, by a seeded plan.

    Args:
        up: The pid of `tidegate up`; no other process is ever touched.
        folder: Where traps are laid for workers.
        seed: The plan.
    """

    def __init__(self, up: int, folder: Path, seed: int) -> None:
        self._up = psutil.Process(up)
        self._folder = folder
        self._random = random.Random(seed)  # noqa: S311 - a plan to repeat, not a secret
        self.done: Counter[str] = Counter()

    async def attack(self) -> None:
        """One attack; returns when it has struck."""
        kind = self._random.choices(
            ["trap", "worker", "freeze", "control", "valkey"], weights=[4, 3, 1, 1, 1]
        )[0]
        if kind == "trap":
            await self._trap(self._random.choice(MOMENTS))
        elif kind == "freeze":
            await self._freeze()
        else:
            await self._kill(kind)

    async def _trap(self, name: str) -> None:
        trap = self._folder / f"trap-{name}"
        trap.touch()
        async with asyncio.timeout(60):
            while trap.exists():  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.02)
        self.done[f"worker at {name!r}"] += 1

    async def _kill(self, kind: str) -> None:
        victim = await self._victim(kind)
        victim.send_signal(signal.SIGKILL)
        self.done[kind] += 1

    async def _freeze(self) -> None:
        victim = await self._victim("worker")
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(LEASE * 2)  # twice the lease: another attempt runs meanwhile
        victim.send_signal(signal.SIGCONT)
        self.done["worker frozen for two leases"] += 1

    async def _victim(self, kind: str) -> psutil.Process:
        async with asyncio.timeout(30):
            while True:
                found = self._alive(kind)
                if found:
                    return self._random.choice(found)
                await asyncio.sleep(0.05)

    def _alive(self, kind: str) -> list[psutil.Process]:
        found = []
        for process in self._up.children(recursive=True):
            try:
                line = " ".join(process.cmdline()) + " "
                # A reaper's line repeats its ward's; it is not the process that is meant.
                if _MARKS[kind] in line and "reaper" not in line:
                    found.append(process)
            except psutil.Error:
                continue
        return found
