"""A person, the roles one may have in a project, and who finds out who is asking."""

import base64
import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from starlette.requests import Request
from starlette.routing import BaseRoute

ID_LENGTH = 26


class User(Struct, frozen=True):
    """A person.

    Attributes:
        id: Letters and digits; the same for ever.
        name: What others see.
    """

    id: str
    name: str


class Role(StrEnum):
    """What a person may do in a project, the least first."""

    VIEWER = "viewer"  # see files and terminals
    EDITOR = "editor"  # change files, run commands, type
    OWNER = "owner"  # rename, delete, invite

    def includes(self, other: "Role") -> bool:
        """Whether who has this role may do all that `other` allows."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Authenticator(Protocol):
    """Finds out who sends a request."""

    mode: str

    async def user(self, request: Request) -> User:
        """Who is asking.

        Raises:
            SignInError: Nobody we know; `SignInError.login` is where to sign in, if anywhere.
        """
        ...

    def routes(self) -> Sequence[BaseRoute]:
        """Pages that signing in needs."""
        ...

    async def close(self) -> None:
        """Give up connections."""
        ...


def user_id(issuer: str, subject: str) -> str:
    """The id of the person whom `issuer` calls `subject`: 26 letters and digits.

    A subject may hold any characters and is unique only with its issuer; names of channels and
    objects need neither.
    """
    digest = hashlib.sha256(f"{issuer}\n{subject}".encode()).digest()
    return base64.b32encode(digest).decode().lower()[:ID_LENGTH]


def user_of_claims(claims: dict[str, object]) -> User:
    """The person that verified claims speak of."""
    shown = (claims.get(name) for name in ("name", "preferred_username", "email", "sub"))
    name = next((value for value in shown if isinstance(value, str) and value), "someone")
    return User(user_id(str(claims["iss"]), str(claims["sub"])), name[:80])
