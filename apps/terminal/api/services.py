"""What the handlers of the API share: made once, when the service starts."""

from dataclasses import dataclass
from typing import Self

from starlette.requests import Request

from apps.terminal.app import run_command, settings
from apps.terminal.commands import Commands
from apps.terminal.isolation import Isolation
from apps.terminal.projects import Projects
from apps.terminal.records import Records
from apps.terminal.settings import TerminalSettings
from apps.terminal.shelf import Shelf
from apps.terminal.terminals import Terminals
from apps.terminal.users.grants import Grants
from apps.terminal.users.modes import authenticator
from apps.terminal.users.user import Authenticator
from tidegate import Client


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the API."""

    settings: TerminalSettings
    client: Client
    authenticator: Authenticator
    isolation: Isolation
    grants: Grants
    projects: Projects
    terminals: Terminals
    commands: Commands
    shelf: Shelf

    @classmethod
    def over(cls, client: Client, settings: TerminalSettings = settings) -> Self:
        """The services of an app whose client is open."""
        secret, public_url = client.settings.secret_key, client.settings.public_url
        records = Records(client.objects)
        terminals = Terminals(records)
        return cls(
            settings=settings,
            client=client,
            authenticator=authenticator(settings, secret=secret, public_url=public_url),
            isolation=Isolation(records, settings.workspaces if settings.auth == "owner" else None),
            grants=Grants(secret),
            projects=Projects(records, secret=secret),
            terminals=terminals,
            commands=Commands(client, terminals, run_command),
            shelf=Shelf(client.objects, settings.project_limits),
        )

    def origin(self, request: Request) -> str:
        """Where browsers reach this app."""
        public = self.client.settings.public_url.rstrip("/")
        return public or f"{request.url.scheme}://{request.headers['host']}"
