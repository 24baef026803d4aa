"""Valkey passes the channel contract: a real server, killed and started again where asked."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidegate.channels.backend import Writer
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.clock import SYSTEM
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey
from tidegate.jobs.backend import QueueSettings
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.jobs.job import JobPolicy, NewJob
from tidegate.objects import Objects
from tidegate.testing.channel import CONTRACT_SETTINGS, ChannelContract


class ValkeyUnderTest:
    def __init__(self, server: EmbeddedValkey, valkey: Valkey, objects: Objects) -> None:
        self._server = server
        self._valkey = valkey
        self._objects = objects
        self._elapsed = 0.0
        self.backend = self.opened()
        self.other = self.opened()

    def opened(self) -> ValkeyChannels:
        return ValkeyChannels(
            self._valkey, objects=self._objects, settings=CONTRACT_SETTINGS, now=self.now
        )

    def now(self) -> float:
        return SYSTEM.now() + self._elapsed

    async def elapse(self, seconds: float) -> None:
        self._elapsed += seconds

    async def attempt(self, job: str) -> Writer:
        async with ValkeyQueues(self._valkey, now=self.now) as queues:
            await queues.declare([QueueSettings(name="work", lease=30.0)])
            new = NewJob(id=job, queue="work", name="w", payload=b"null", policy=JobPolicy())
            await queues.enqueue([new])
            (claim,) = (await queues.exchange("worker", queues=["work"], limit=1)).claims
        return Writer(claim.id, claim.fence)

    async def restart(self) -> None:
        assert self._server.process is not None
        self._server.process.kill()
        await self._server.process.wait()
        await self._server.start()

    async def cut(self) -> None:
        await self._valkey.call("CLIENT", "KILL", "TYPE", "PUBSUB")

    async def settle(self) -> None:
        for backend in (self.backend, self.other):
            await asyncio.gather(*backend._spiller._tasks.values())

    async def segments(self) -> list[str]:
        return [info.key async for info in self._objects.list("channels")]


class TestValkeyChannels(ChannelContract):
    @pytest.fixture
    async def channels(
        self, server: EmbeddedValkey, valkey: Valkey, tmp_path: Path
    ) -> AsyncIterator[ValkeyUnderTest]:
        objects = Objects.open((tmp_path / "objects").as_uri())
        under_test = ValkeyUnderTest(server, valkey, objects)
        async with under_test.backend, under_test.other:
            yield under_test
