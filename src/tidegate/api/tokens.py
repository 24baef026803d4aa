"""Tokens over HTTP: a service that knows its users asks for what their browsers connect with."""

from datetime import datetime

from msgspec import Struct

from tidegate.api.call import Call
from tidegate.clock import SYSTEM, at
from tidegate.gateway.auth import Cap


class NewTokenBody(Struct, forbid_unknown_fields=True):
    """What a token is to say.

    Attributes:
        sub: The user's id.
        caps: What it grants.
        ttl: Seconds it is good for; null for ever.
    """

    caps: list[Cap]
    sub: str = ""
    ttl: float | None = 600.0


class TokenBody(Struct):
    """A token, and when it ends."""

    token: str
    expires_at: datetime | None


async def issue(call: Call) -> TokenBody:
    """Issue a token for channels and queues."""
    body: NewTokenBody = call.body
    now = SYSTEM.now()
    token = call.service.keyring.issue(sub=body.sub, now=now, ttl=body.ttl, caps=body.caps)
    return TokenBody(token, None if body.ttl is None else at(now + body.ttl))
