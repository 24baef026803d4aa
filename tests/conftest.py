"""Fixtures every test may ask for: a real Valkey of one's own, and a connection to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tidegate.connections.embedded import EmbeddedValkey
from tidegate.connections.valkey import Valkey


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    """An embedded Valkey that lives as long as the test."""
    embedded = EmbeddedValkey(tmp_path / "valkey")
    await embedded.start()
    yield embedded
    await embedded.stop()


@pytest.fixture
async def valkey(server: EmbeddedValkey) -> AsyncIterator[Valkey]:
    """A connection to the test's own server, for app `test`."""
    async with await Valkey.open(server.url, app="test") as connection:
        yield connection
