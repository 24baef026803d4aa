"""Channels on a real Valkey, with objects in a folder and bounds small enough to reach."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidegate.channels.backend import ChannelSettings
from tidegate.channels.backends.valkey import ValkeyChannels
from tidegate.channels.channel import Channels
from tidegate.connections.valkey import Valkey
from tidegate.objects import Objects

SETTINGS = (
    ChannelSettings(pattern="small:*", hot_bytes=2000, hot_events=20),
    ChannelSettings(pattern="dropping:*", hot_bytes=1000, hot_events=10, keep_bytes=2000),
    ChannelSettings(pattern="newest:*", slow="conflate"),
    ChannelSettings(pattern="strict:*", slow="cut"),
    ChannelSettings(pattern="present:*", replay=False),
)


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects.open((tmp_path / "objects").as_uri())


@pytest.fixture
async def backend(valkey: Valkey, objects: Objects) -> AsyncIterator[ValkeyChannels]:
    async with ValkeyChannels(valkey, objects=objects, settings=SETTINGS) as channels:
        yield channels


@pytest.fixture
async def channels(backend: ValkeyChannels) -> AsyncIterator[Channels]:
    async with Channels(backend) as opened:
        yield opened
