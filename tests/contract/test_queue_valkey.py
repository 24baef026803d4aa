"""Valkey passes the queue contract, on a real server whose time the tests hold."""

from collections.abc import AsyncIterator

import pytest

from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.clock import SYSTEM
from tidegate.connections.valkey import Valkey
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.testing.queue import CONTRACT_QUEUES, QueueContract
from tidegate.testing.queue.under_test import new, running


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

    async def test_a_server_that_forgot_all_gives_no_epoch_it_gave_before(
        self, queues: ValkeyUnderTest, valkey: Valkey
    ) -> None:
        before = await running(queues, new("a1", affinity="a"), "w1")
        await valkey.call("FLUSHALL")
        await queues.elapse(1.0)
        await queues.backend.declare(CONTRACT_QUEUES)
        after = await running(queues, new("a2", affinity="a"), "w2")
        assert after.affinity_epoch > before.affinity_epoch
