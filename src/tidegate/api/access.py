"""Who calls, and whether they may."""

import hmac
from typing import TYPE_CHECKING

from starlette.requests import Request

from tidegate.api.route import Access
from tidegate.clock import SYSTEM
from tidegate.errors import ForbiddenError, TokenError
from tidegate.gateway.auth import ADMIN, NOBODY, Claims, bearer
from tidegate.jobs import attempt_token
from tidegate.jobs.attempt_token import AttemptToken

if TYPE_CHECKING:
    from tidegate.api.service import Service


def claims_of(service: "Service", token: str) -> Claims:
    """What the bearer of a token may do.

    Raises:
        TokenError: It is missing, forged or has ended.
    """
    if not token:
        raise TokenError("expected a header 'Authorization: Bearer TOKEN', found none")
    admin = service.admin_token
    if admin and hmac.compare_digest(token.encode(), admin.encode()):
        return ADMIN
    return service.keyring.verify(token, now=SYSTEM.now())


def attempt_of(service: "Service", token: str, job: str) -> AttemptToken:
    """The attempt a token speaks for.

    Raises:
        TokenError: It is missing, forged, has ended, or is another job's.
    """
    attempt = attempt_token.verify(token, service.secret_key, now=SYSTEM.now())
    if attempt.job != job:
        raise TokenError(f"expected a token for job {job!r}, found one for {attempt.job!r}")
    return attempt


def allowed(service: "Service", access: Access, request: Request) -> Claims:
    """Who calls, once it is sure that they may.

    Raises:
        TokenError: There is no good token.
        ForbiddenError: The token does not grant this.
    """
    if access in ("public", "attempt"):
        return NOBODY
    claims = claims_of(service, bearer(request.headers.get("Authorization")))
    path = request.path_params
    if access == "enqueue":
        granted = claims.grants_enqueue(path["queue"])
    elif access in ("history", "publish"):
        granted = claims.grants(access, path["channel"])
    else:
        granted = claims.is_admin
    if not granted:
        raise ForbiddenError(
            f"expected a token that allows {access!r} here, found one for "
            f"{claims.sub or 'nobody'!r} that does not"
        )
    return claims
