"""Errors as HTTP answers: `{"error": {"code", "message", "detail"}}` with the right status."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.responses import Response

from tidegate.errors import (
    BackendUnavailableError,
    ForbiddenError,
    IllegalTransitionError,
    QueueFullError,
    StaleAttemptError,
    TidegateError,
    TokenError,
    UnknownHandlerError,
    UnknownJobError,
    UnknownQueueError,
    UsageError,
)
from tidegate.observability.logs import Logger

log = Logger("tidegate.api")

# The first that fits, so the narrower come first.
_STATUSES: Final[Mapping[type[TidegateError], int]] = {
    TokenError: 401,
    ForbiddenError: 403,
    UnknownQueueError: 404,
    UnknownHandlerError: 404,
    UnknownJobError: 404,
    IllegalTransitionError: 409,
    StaleAttemptError: 409,
    QueueFullError: 429,
    BackendUnavailableError: 503,
    UsageError: 400,
    TidegateError: 500,
}


class Failure(Struct, frozen=True):
    """Why a call was refused.

    Attributes:
        code: A word for programs; it does not change.
        message: What was expected, what was found, what to do.
        detail: The facts of the error by name.
    """

    code: str
    message: str
    detail: dict[str, Any] = {}


class ErrorBody(Struct, frozen=True):
    """Every answer that is no success."""

    error: Failure


class NotFoundError(UsageError):
    """There is nothing under this path or name."""

    code = "not_found"
    status = 404


class MethodNotAllowedError(UsageError):
    """The path is served, but not with this method."""

    code = "method_not_allowed"
    status = 405


class TooLargeError(UsageError):
    """A body is larger than what is read."""

    code = "too_large"
    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"expected a body of at most {limit} bytes, found more; "
            "put the data into objects and send their key"
        )
        self.limit = limit


def refusal(failure: Exception) -> Response:
    """The answer to a call that failed; a failure we do not expect is logged, and not shown."""
    if isinstance(failure, TidegateError):
        status = status_of(failure)
        body = Failure(failure.code, str(failure), _facts(failure))
    else:
        log.error("request_failed", exc_info=failure)
        status, body = 500, Failure("internal", "something went wrong here; see the log of control")
    return answer(ErrorBody(body), status, _headers(failure))


def status_of(failure: TidegateError) -> int:
    """The HTTP status of an error."""
    own: object = getattr(failure, "status", None)
    if isinstance(own, int):
        return own
    return next(status for kind, status in _STATUSES.items() if isinstance(failure, kind))


def answer(body: Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(
        msgspec.json.encode(body), status, headers=headers, media_type="application/json"
    )


def _facts(failure: TidegateError) -> dict[str, object]:
    return {
        name: value
        for name, value in vars(failure).items()
        if isinstance(value, str | int | float | bool | tuple) and not name.startswith("_")
    }


def _headers(failure: Exception) -> dict[str, str]:
    if isinstance(failure, TokenError):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(failure, QueueFullError):
        return {"Retry-After": str(max(1, round(failure.retry_after)))}
    if isinstance(failure, BackendUnavailableError):
        return {"Retry-After": "1"}
    return {}
