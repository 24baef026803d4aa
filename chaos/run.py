"""One run: load, attacks, and the reckoning."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from chaos.app import app, effect
from chaos.nemesis import Nemesis
from tidegate.channels.cursor import Cursor
from tidegate.channels.message import Gap
from tidegate.client import Client
from tidegate.errors import TidegateError
from tidegate.jobs.job import TERMINAL, State
from tidegate.settings import Settings

_SETTLED_WITHIN = 120.0


@dataclass
class Findings:
    """What the reckoning found; `violations` is empty where everything held."""

    jobs: int = 0
    ticks: int = 0
    told_gaps: int = 0
    repeated_effects: int = 0
    attacks: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def report(self) -> str:
        """The findings, for people."""
        lines = [
            f"attacks: {sum(self.attacks.values())} {dict(self.attacks)}",
            f"acknowledged jobs: {self.jobs}, effects repeated: {self.repeated_effects}",
            f"acknowledged ticks: {self.ticks}, gaps told: {self.told_gaps}",
            *(f"VIOLATION {line}" for line in self.violations),
        ]
        return "\n".join(lines)


class Run:
    """A run in a folder of its own."""

    def __init__(self, folder: Path, *, kills: int, seed: int) -> None:
        self.folder = folder
        self.kills = kills
        self.seed = seed
        self.findings = Findings()
        self.jobs: list[str] = []
        self.ticks: list[int] = []
        self.seen: list[int] = []
        self._over = asyncio.Event()

    async def run(self) -> Findings:
        """Everything, from start to reckoning; nothing is left running."""
        up = await self._started()
        try:
            settings = await self._settings(up)
            async with asyncio.timeout(self.kills * 20 + 300):
                await self._attacked(up.pid, settings)
        finally:
            up.send_signal(signal.SIGTERM)
            await up.wait()
        return self.findings

    async def _started(self) -> asyncio.subprocess.Process:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (self.folder / "up.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tidegate", "up", "chaos.app:app"),
                *("--port", str(port), "--data", str(self.folder / "data")),
                env={**os.environ, "CHAOS_FOLDER": str(self.folder)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _settings(self, up: asyncio.subprocess.Process) -> Settings:
        state = self.folder / "data" / "up.json"
        async with asyncio.timeout(30):
            while not state.exists():
                if up.returncode is not None:
                    raise RuntimeError((self.folder / "up.log").read_text())
                await asyncio.sleep(0.05)
        url = json.loads(state.read_bytes())["valkey_url"]
        data = self.folder / "data"
        return Settings(valkey_url=url, objects_url=(data / "objects").as_uri(), data=data)

    async def _attacked(self, up: int, settings: Settings) -> None:
        async with Client.open(app, settings, name="chaos") as client:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._produce(client), name="produce")
                group.create_task(self._tick(client), name="tick")
                watching = group.create_task(self._watch(client), name="watch")
                nemesis = Nemesis(up, self.folder, self.seed)
                for _ in range(self.kills):
                    await nemesis.attack()
                    await asyncio.sleep(0.3)  # let what was hit come back before the next
                self.findings.attacks = nemesis.done
                self._over.set()
                await self._settled(client)
                await self._caught_up()
                watching.cancel()
            await self._reckon(client)

    async def _produce(self, client: Client) -> None:
        number = 0
        while not self._over.is_set():
            batch = range(number, number + 10)
            try:
                for handle in await client.enqueue_many(effect, [(each,) for each in batch]):
                    self.jobs.append(handle.id)
            except TidegateError:
                pass  # not acknowledged; these jobs may or may not exist
            number += 10
            await asyncio.sleep(0.25)  # the pace of the load

    async def _tick(self, client: Client) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            while True:
                try:
                    await client.publish("ticker", {"n": number}, key=f"tick:{number}")
                    break
                except TidegateError:
                    await asyncio.sleep(0.05)  # the same key again: stored once
            self.ticks.append(number)
            await asyncio.sleep(0.02)  # the pace of the load

    async def _watch(self, client: Client) -> None:
        async with client.subscribe(["ticker"], {"ticker": Cursor()}) as messages:
            async for message in messages:
                if isinstance(message, Gap):
                    self.findings.told_gaps += 1
                    continue
                self.seen.append(json.loads(message.data)["n"])

    async def _caught_up(self) -> None:
        # What is still missing after a minute is for the reckoning to say.
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                while self.ticks[-1] not in self.seen[-100:]:  # noqa: ASYNC110 - once a run
                    await asyncio.sleep(0.1)

    async def _settled(self, client: Client) -> None:
        async with asyncio.timeout(_SETTLED_WITHIN):
            waiting = list(self.jobs)
            while waiting:
                records = [await client.job(each) for each in waiting]
                waiting = [
                    record.id for record in records if record and record.state not in TERMINAL
                ]
                await asyncio.sleep(0.2)  # whatever is left is under way

    async def _reckon(self, client: Client) -> None:
        findings, effects = self.findings, self._effects()
        findings.jobs, findings.ticks = len(self.jobs), len(self.ticks)
        for job in self.jobs:
            await self._reckon_job(client, job, effects)
        findings.repeated_effects = sum(len(fences) - 1 for fences in effects.values() if fences)
        missing = set(self.ticks) - set(self.seen)
        if missing:
            self._violated(f"ticks acknowledged and never seen: {sorted(missing)[:10]}")
        if not findings.told_gaps and self.seen != sorted(set(self.seen)):
            self._violated("ticks repeated or out of order although no gap was told")

    async def _reckon_job(self, client: Client, job: str, effects: dict[int, list[int]]) -> None:
        record = await client.job(job)
        if record is None:
            self._violated(f"{job} was acknowledged and is gone")
            return
        if record.state is not State.SUCCEEDED:
            self._violated(f"{job} is {record.state}: {record.reason}")
            return
        result = json.loads(record.result or b"{}")
        if result.get("fence") not in effects[result.get("number", -1)]:
            self._violated(f"{job} stored {result}, which no attempt in the ledger made")
        replay = await client.replay(record.channel, Cursor())
        offsets = [event.offset for event in replay.events]
        if offsets != list(range(1, len(offsets) + 1)):
            self._violated(f"{record.channel} has offsets {offsets}")
        self._reckon_events(record.channel, [json.loads(event.data) for event in replay.events])

    def _reckon_events(self, channel: str, events: list[dict[str, object]]) -> None:
        ends = [event for event in events if event.get("type") == "end"]
        if len(ends) != 1 or events[-1].get("type") != "end":
            self._violated(f"{channel} has {len(ends)} ends: {events}")
        fences = [event["fence"] for event in events if "fence" in event]
        if fences != sorted(fences, key=lambda fence: int(str(fence))):
            self._violated(f"{channel} holds events of an attempt after those of a later one")

    def _effects(self) -> dict[int, list[int]]:
        effects: dict[int, list[int]] = defaultdict(list)
        ledger = self.folder / "ledger"
        for line in ledger.read_text().splitlines() if ledger.exists() else []:
            _, number, fence = line.split()
            effects[int(number)].append(int(fence))
        return effects

    def _violated(self, what: str) -> None:
        self.findings.violations.append(what)
