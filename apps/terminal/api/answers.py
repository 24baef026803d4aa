"""JSON in and out, and every refusal in one shape."""

import logging
from typing import Final, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from apps.terminal.errors import RefusedError, TooLargeError
from apps.terminal.workspace import (
    CommitContentionError,
    EditConflictError,
    FileMissingError,
    PathTakenError,
    ProjectFullError,
)
from tidegate.errors import (
    BackendUnavailableError,
    ForbiddenError,
    QueueFullError,
    TidegateError,
    TokenError,
    UnknownJobError,
    UsageError,
)

T = TypeVar("T")

LARGEST_JSON: Final = 256 * 1024
_encoder: Final = msgspec.json.Encoder()
_log = logging.getLogger(__name__)

# The first that fits counts.
_STATUSES: Final[tuple[tuple[type[TidegateError], int], ...]] = (
    (FileMissingError, 404),
    (PathTakenError, 409),
    (ProjectFullError, 413),
    (CommitContentionError, 503),
    (QueueFullError, 503),
    (BackendUnavailableError, 503),
    (UnknownJobError, 404),
    (TokenError, 401),
    (ForbiddenError, 403),
    (UsageError, 400),
)


def answer(value: object, status: int = 200) -> Response:
    """`value` as JSON."""
    return Response(
        _encoder.encode(value),
        status,
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )


async def body(request: Request, type_: type[T]) -> T:
    """The request's JSON body as `type_`.

    Raises:
        TooLargeError: It is larger than 256 KiB.
        RefusedError: It is not JSON of that type.
    """
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > LARGEST_JSON:
            raise TooLargeError(f"expected a JSON body of at most {LARGEST_JSON} bytes, found more")
    try:
        return msgspec.json.decode(bytes(read) or b"{}", type=type_)
    except msgspec.MsgspecError as error:
        raise RefusedError(f"the body is refused: {error}", code="wrong_body") from error


async def refused(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's shape
    """The answer to a request that raised one of our errors."""
    if isinstance(error, RefusedError):
        return refusal(error.status, error.code, str(error), error.detail, error.headers)
    if isinstance(error, EditConflictError):
        found = {"path": error.path, "expected": error.expected, "found": error.found}
        return refusal(412, error.code, str(error), found)
    if isinstance(error, QueueFullError):
        retry = {"retry-after": str(max(1, round(error.retry_after)))}
        return refusal(503, error.code, str(error), headers=retry)
    if isinstance(error, TidegateError):
        status = next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)
        return refusal(status, error.code, str(error))
    if isinstance(error, HTTPException):
        code = "not_found" if error.status_code == 404 else "http"  # noqa: PLR2004 - its name
        return refusal(error.status_code, code, str(error.detail), headers=error.headers)
    return refusal(500, "failed", "the service failed; its log says why")


def refusal(
    status: int,
    code: str,
    message: str,
    detail: object = None,
    headers: object = None,
) -> Response:
    """A refusal in the shape that every answer of ours has."""
    error = {"code": code, "message": message} | ({"detail": detail} if detail else {})
    response = answer({"error": error}, status)
    if isinstance(headers, dict):
        response.headers.update(headers)
    return response
