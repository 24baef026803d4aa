"""Reaching the running app: by the environment, or through the data folder of its `up`."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tidegate.app import App
from tidegate.cli.options import chosen_app, read_dotenv
from tidegate.client import Client
from tidegate.connections.valkey import Valkey
from tidegate.errors import TidegateError, UnknownQueueError
from tidegate.jobs.backends.valkey import ValkeyQueues
from tidegate.runtime.folder import DataFolder, Running
from tidegate.runtime.target import load_app
from tidegate.settings import Settings

T = TypeVar("T")


class Reach(Struct, frozen=True, kw_only=True):
    """Where the app is, and what a verb needs to know of it.

    Attributes:
        running: The `up` it runs in; None where the environment names its Valkey.
        loaded: The app, where it had to be imported to know its name.
    """

    settings: Settings
    target: str | None = None
    running: Running | None = None
    loaded: App | None = None

    @classmethod
    def find(cls, data: Path, app: str | None = None) -> "Reach":
        """The app that runs in `data`, or that TIDEGATE_VALKEY_URL leads to.

        Raises:
            TidegateError: Neither leads anywhere.
        """
        read_dotenv()
        settings = Settings.load(data=data)
        running = DataFolder(settings.data).running()
        if running is not None and settings.valkey_url in ("", running.valkey_url):
            settings = msgspec.structs.replace(
                settings, valkey_url=running.valkey_url, objects_url=running.objects_url
            )
            return cls(settings=settings, target=app or running.target, running=running)
        if settings.valkey_url:
            target = chosen_app(app)
            return cls(settings=settings, target=target, loaded=load_app(target))
        raise TidegateError(
            f"expected a running app, found none in {settings.data}; "
            "start it with `tidegate up`, or set TIDEGATE_VALKEY_URL"
        )

    @property
    def name(self) -> str:
        """The app's name."""
        return self.loaded.name if self.loaded else self._running.app

    @property
    def queue_names(self) -> list[str]:
        """The app's queues."""
        return list(self.loaded.queues if self.loaded else self._running.queues)

    @property
    def _running(self) -> Running:
        if self.running is None:
            raise AssertionError("an app is either loaded or running")
        return self.running

    def chosen_queues(self, asked: str | None) -> list[str]:
        """The queue asked for, or all of them.

        Raises:
            UnknownQueueError: There is no such queue.
        """
        if asked is None:
            return self.queue_names
        if asked not in self.queue_names:
            raise UnknownQueueError(asked, sorted(self.queue_names))
        return [asked]

    @asynccontextmanager
    async def queues(self) -> AsyncIterator[ValkeyQueues]:
        """The app's queues, without importing the app."""
        async with self.valkey() as valkey, ValkeyQueues(valkey) as queues:
            yield queues

    @asynccontextmanager
    async def valkey(self) -> AsyncIterator[Valkey]:
        """A connection for the app's keys."""
        url = self.settings.valkey_url
        async with await Valkey.open(url, app=self.name, name="tidegate-cli") as valkey:
            yield valkey

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        """The app's client; imports the app."""
        app = self.loaded or load_app(chosen_app(self.target))
        async with Client.open(app, self.settings, name="tidegate-cli") as client:
            yield client


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine; ctrl-C cancels it."""
    return asyncio.run(coroutine)
