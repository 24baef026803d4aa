"""One owner without sign-in, for a laptop: whoever reaches the loopback address."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.routing import BaseRoute

from apps.terminal.users.user import User

OWNER = User("owner", "Owner")


class OwnerMode:
    """Everyone is the owner; `SameSite` and `SameMachine` decide who is let in at all."""

    mode = "owner"

    async def user(self, request: Request) -> User:  # noqa: ARG002 - everyone is the owner
        """The owner."""
        return OWNER

    def routes(self) -> Sequence[BaseRoute]:
        """None."""
        return ()

    async def close(self) -> None:
        """Nothing to give up."""
