"""What a session may do: by its connection's token, or by the token of one subscription."""

import math
from typing import TYPE_CHECKING

from tidegate.errors import TokenError
from tidegate.gateway.auth import Claims, Right, TokenExpiredError
from tidegate.gateway.protocol import INVALID_TOKEN, PERMISSION_DENIED
from tidegate.gateway.refusals import EndedError, RefusedError

if TYPE_CHECKING:
    from tidegate.gateway.session import Session


def connection_claims(session: "Session", token: str) -> Claims:
    """What a connection's token says.

    Raises:
        TokenExpiredError: It has ended; the client gets a new one and tries again.
        EndedError: It is none of ours.
    """
    gateway = session.gateway
    try:
        return gateway.keyring.verify(token, now=gateway.now())
    except TokenExpiredError:
        raise
    except TokenError as error:
        raise EndedError(INVALID_TOKEN) from error


def channel_claims(session: "Session", channel: str, token: str) -> Claims:
    """What a subscription's own token says; it is the same user's, and for this channel.

    Raises:
        TokenExpiredError: It has ended.
        RefusedError: It is none of ours, or somebody else's.
        ForbiddenError: It is for other channels.
    """
    gateway = session.gateway
    try:
        claims = gateway.keyring.verify(token, now=gateway.now())
    except TokenExpiredError:
        raise
    except TokenError as error:
        raise RefusedError(PERMISSION_DENIED.saying(str(error))) from error
    if claims.sub != session.claims.sub:
        raise RefusedError(PERMISSION_DENIED.saying("expected a token of the same user"))
    claims.require("subscribe", channel)
    return claims


def may(session: "Session", right: Right, channel: str) -> bool:
    """Whether the connection's token, or the subscription's own, allows it."""
    subscription = session.subscriptions.get(channel)
    own = subscription.claims if subscription is not None else None
    return session.claims.grants(right, channel) or (own is not None and own.grants(right, channel))


def require(session: "Session", right: Right, channel: str) -> None:
    """Raise ForbiddenError where the session may not do this."""
    if not may(session, right, channel):
        session.claims.require(right, channel)


def seconds_left(session: "Session", claims: Claims) -> int:
    """Whole seconds until a token ends, at least 1; 0 for one that never does."""
    if claims.exp is None:
        return 0
    return max(1, math.ceil(claims.exp - session.gateway.now()))
