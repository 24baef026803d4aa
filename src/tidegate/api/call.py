"""One call of the API, as its handler sees it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request

from tidegate.api.refusal import TooLargeError
from tidegate.errors import UsageError
from tidegate.gateway.auth import Claims
from tidegate.jobs.attempt_token import AttemptToken
from tidegate.serde import LARGEST_BYTES

if TYPE_CHECKING:
    from tidegate.api.service import Service

T = TypeVar("T", bound=Struct)

MAX_BODY: Final = LARGEST_BYTES + 64 * 1024
"""Bytes of a body: the largest payload, and its envelope."""


def null() -> Raw:
    """JSON's null, for a raw field that was not sent."""
    return Raw(b"null")


class Call:
    """What a handler is given.

    Attributes:
        service: What the API works on.
        client: The app's open client.
        path: The parts of the path that vary, by name.
        claims: Who calls.
        attempt: The attempt that calls, where the route is for attempts.
        body: The body, decoded to the route's type.
        query: The query parameters, likewise.
    """

    attempt: AttemptToken

    def __init__(self, service: "Service", request: Request, *, claims: Claims) -> None:
        self.service = service
        self.client = service.client
        self.path: Mapping[str, str] = request.path_params
        self.claims = claims
        self.body: Any = None
        self.query: Any = None


async def read_body(request: Request, kind: type[T]) -> T:
    """The body as `kind`, read no further than it may be long.

    Raises:
        TooLargeError: It is longer.
        UsageError: It is no JSON of that type.
    """
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > MAX_BODY:
            raise TooLargeError(MAX_BODY)
    try:
        # Decoded first: raw parts are passed on as they are, and must be UTF-8.
        return msgspec.json.decode(str(read or b"{}", "utf-8"), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"expected a body of JSON with {_fields(kind)}: {error}") from error


def read_query(request: Request, kind: type[T]) -> T:
    """The query parameters as `kind`.

    Raises:
        UsageError: One is unknown or of another type.
    """
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"expected query parameters among {_fields(kind)}: {error}") from error


def _fields(kind: type[Struct]) -> str:
    return ", ".join(kind.__struct_fields__) or "nothing"
