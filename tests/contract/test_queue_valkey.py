"""Valkey passes the queue contract, on a real server whose time the tests hold."""

from collections.abc import AsyncIterator

import pytest

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.testing.queue import CONTRACT_QUEUES, QueueContract


class ValkeyUnderTest:
    def __init__(self, valkey: Valkey) -> None:
        self._now = float(int(SYSTEM.now()))
        self.backend = ValkeyQueues(valkey, now=self.now)
        self.other = ValkeyQueues(valkey, now=self.now)
        self.channels = ValkeyChannels(valkey, now=self.now)

    def now(self) -> float:
        return self._now

    async def elapse(self, seconds: float) -> None:
        self._now += seconds


class TestValkeyQueues(QueueContract):
    @pytest.fixture
    async def queues(self, valkey: Valkey) -> AsyncIterator[ValkeyUnderTest]:
        under_test = ValkeyUnderTest(valkey)
        async with under_test.backend, under_test.other, under_test.channels:
            await under_test.backend.declare(CONTRACT_QUEUES)
            yield under_test
