"""How a command fails: with an error the client is told, or with the end of its connection."""

from typing import Final

from tidegate.errors import (
    BackendUnavailableError,
    ForbiddenError,
    TidegateError,
    TokenError,
    UsageError,
)
from tidegate.gateway.auth import TokenExpiredError
from tidegate.gateway.protocol import (
    BAD_REQUEST,
    INTERNAL,
    PERMISSION_DENIED,
    TOKEN_EXPIRED,
    UNAUTHORIZED,
    Disconnect,
    Error,
)
from tidegate.observability.logs import Logger

log = Logger("tidegate.gateway")


class RefusedError(TidegateError):
    """A command is not carried out; the client is told `error`."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


class EndedError(TidegateError):
    """A command is so wrong that the connection ends with `why`."""

    def __init__(self, why: Disconnect) -> None:
        super().__init__(why.reason)
        self.why = why


# The first that fits, so the narrower come first.
_ERRORS: Final[dict[type[TidegateError], Error]] = {
    TokenExpiredError: TOKEN_EXPIRED,
    TokenError: UNAUTHORIZED,
    ForbiddenError: PERMISSION_DENIED,
    BackendUnavailableError: INTERNAL,
    UsageError: BAD_REQUEST,
}


def refusal(failure: Exception) -> Error:
    """What a client is told of a failure; one we do not expect is logged, and not shown."""
    if isinstance(failure, RefusedError):
        return failure.error
    for kind, error in _ERRORS.items():
        if isinstance(failure, kind):
            return error.saying(str(failure))
    log.error("command_failed", exc_info=failure)
    return INTERNAL
