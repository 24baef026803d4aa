"""People with roles in one project, who bring tokens of an issuer."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from apps.terminal.settings import TerminalSettings
from apps.terminal.tests.api.conftest import serving
from apps.terminal.tests.issuer import TestIssuer

AUDIENCE = "terminal"
Browser = Callable[[str | None], httpx.AsyncClient]


class People:
    """Browsers of people: the owner, an editor, a viewer, a stranger, and nobody."""

    def __init__(self, issuer: TestIssuer, transport: httpx.ASGITransport) -> None:
        self._issuer = issuer
        self._transport = transport

    def token(self, person: str, **claims: object) -> str:
        """The person's token."""
        return self._issuer.token(AUDIENCE, **{"sub": person, "name": person.title(), **claims})

    def browser(self, token: str | None) -> httpx.AsyncClient:
        """A browser that sends this token, or none."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return httpx.AsyncClient(
            transport=self._transport, base_url="http://terminal.example", headers=headers
        )

    def of(self, person: str) -> httpx.AsyncClient:
        """The person's browser."""
        return self.browser(self.token(person) if person != "nobody" else None)

    async def project(self) -> str:
        """A new project of the owner's, with its editor and viewer, a terminal and a file."""
        owner = self.of("owner")
        made = (await owner.post("/api/projects", json={"name": "Shared"})).json()
        base = f"/api/projects/{made['id']}"
        for role in ("editor", "viewer"):
            invite = (await owner.post(f"{base}/invites", json={"role": role})).json()
            joined = await self.of(role).post(f"/api/invites/{invite['token']}", json={})
            assert joined.json()["role"] == role
        await owner.put(f"{base}/files/a.txt", content=b"a")
        return str(made["id"])

    async def terminal(self, project: str) -> str:
        """A new terminal there."""
        made = await self.of("owner").post(f"/api/projects/{project}/terminals", json={})
        return str(made.json()["id"])


@asynccontextmanager
async def people_of(issuer: TestIssuer) -> AsyncIterator[People]:
    """The application in JWT mode, and who uses it."""
    settings = TerminalSettings(auth="jwt", issuer=issuer.url, audience=AUDIENCE)
    async with serving(settings) as transport:
        yield People(issuer, transport)
