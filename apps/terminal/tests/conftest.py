"""Fixtures of the terminal's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apps.terminal.app import app
from apps.terminal.tests.issuer import TestIssuer, running_issuer
from tidegate import Client, Settings
from tidegate.connections.embedded import EmbeddedValkey

SECRET = "a secret of at least thirty-two characters"


@pytest.fixture
async def issuer() -> AsyncIterator[TestIssuer]:
    """An OpenID Connect issuer on a loopback port."""
    async with running_issuer() as running:
        yield running


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """The app's open client, over a Valkey and a folder of the test's own."""
    valkey = EmbeddedValkey(tmp_path / "valkey", append_only=False)
    await valkey.start()
    settings = Settings(
        valkey_url=valkey.url,
        objects_url=(tmp_path / "objects").as_uri(),
        secret_key=SECRET,
        data=tmp_path,
    )
    async with Client.open(app, settings) as opened:
        yield opened
    await valkey.stop()
