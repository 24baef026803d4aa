"""The API over a real Valkey, without a network between test and application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from apps.terminal.api.asgi import application
from apps.terminal.app import app
from apps.terminal.settings import TerminalSettings
from tidegate import Client, Settings
from tidegate.connections.embedded import EmbeddedValkey

SECRET = "a secret of at least thirty-two characters"


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


@asynccontextmanager
async def serving(settings: TerminalSettings) -> AsyncIterator[httpx.ASGITransport]:
    """The application with these settings, started."""
    web = application(settings, public_url="")
    async with web.router.lifespan_context(web):
        yield httpx.ASGITransport(web, client=("127.0.0.1", 50000))


@pytest.fixture
async def http(client: Client) -> AsyncIterator[httpx.AsyncClient]:
    """A browser on the owner's laptop."""
    async with (
        serving(TerminalSettings()) as transport,
        httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as browser,
    ):
        yield browser
