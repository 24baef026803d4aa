"""The HTTP API over a real Valkey, called as an application; a worker's part is played by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tidegate import App, Retry
from tidegate.api.service import Service, application
from tidegate.client import Client
from tidegate.clock import SYSTEM
from tidegate.connections.embedded import EmbeddedValkey
from tidegate.gateway.auth import Cap, Keyring
from tidegate.gateway.server import Gateway
from tidegate.jobs.attempt_token import AttemptToken, sign
from tidegate.jobs.job import Claim
from tidegate.settings import Settings

SECRET = "s" * 32
ADMIN = "admin-token"


def declared() -> App:
    app = App("test")
    work = app.queue("work")
    small = app.queue("small", max_depth=1)

    @work.job(retry=Retry(attempts=2, base=0.0, cap=0.0))
    async def double(number: int) -> int:
        return 2 * number

    @small.job
    async def nothing() -> None: ...

    return app


@dataclass
class Api:
    """The API, and what tests need beside it."""

    http: httpx.AsyncClient
    client: Client
    service: Service

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.http.get(path, params=params)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.http.post(path, json={} if body is None else body, **options)

    async def enqueue(self, payload: Any = 4, **options: Any) -> str:
        body = {"name": "test.double", "payload": payload, "options": options}
        return str((await self.post("/v1/queues/work/jobs", body)).json()["job"])

    async def claim(self) -> Claim:
        (claim,) = (await self.client.queue_backend.exchange("w1", queues=["work"], limit=1)).claims
        return claim

    def bearer(self, *caps: Cap) -> dict[str, str]:
        token = self.service.keyring.issue(sub="ann", now=SYSTEM.now(), ttl=60, caps=caps)
        return {"Authorization": f"Bearer {token}"}

    def attempt(self, claim: Claim, *, ttl: int = 60) -> dict[str, str]:
        token = AttemptToken(claim.id, claim.fence, claim.queue, int(SYSTEM.now()) + ttl)
        return {"Authorization": f"Bearer {sign(token, SECRET)}"}


@asynccontextmanager
async def opened(server: EmbeddedValkey, folder: Path) -> AsyncIterator[Api]:
    settings = Settings(
        valkey_url=server.url,
        objects_url=(folder / "objects").as_uri(),
        secret_key=SECRET,
        admin_token=ADMIN,
        data=folder,
    )
    async with Client.open(declared(), settings) as client:
        gateway = Gateway(
            hub=client.channels.hub,
            valkey=client.valkey,
            keyring=Keyring.parse(SECRET),
            find_job=client.job,
            version="test",
        )
        async with gateway:
            service = Service(client, gateway, task_logs=folder)
            transport = httpx.ASGITransport(application(service))
            async with httpx.AsyncClient(
                transport=transport,
                base_url="http://localhost",
                headers={"Authorization": f"Bearer {ADMIN}"},
            ) as http:
                yield Api(http, client, service)


@pytest.fixture
async def api(server: EmbeddedValkey, tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(server, tmp_path) as api:
        yield api
