"""The API over a real Valkey, without a network between test and application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from apps.terminal.api.asgi import application
from apps.terminal.settings import TerminalSettings
from tidegate import Client


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
