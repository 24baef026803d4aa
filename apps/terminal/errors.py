"""What the terminal refuses, and how it says so: a status, a code, and what to do."""

from collections.abc import Mapping

from tidegate.errors import TidegateError


class RefusedError(TidegateError):
    """A request that is not granted.

    Attributes:
        status: The HTTP status of the answer.
        code: One word for programs.
        detail: More facts for programs.
        headers: Headers of the answer.
    """

    status = 400
    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        detail: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.code
        self.status = status or self.status
        self.detail = dict(detail or {})
        self.headers = dict(headers or {})


class SignInError(RefusedError):
    """Nobody is signed in, or not any more."""

    status = 401
    code = "sign_in"


class RoleError(RefusedError):
    """The person's role in the project does not allow this."""

    status = 403
    code = "role"


class NotFoundError(RefusedError):
    """There is no such thing, or the person may not know that there is."""

    status = 404
    code = "not_found"


class TooLargeError(RefusedError):
    """A body is larger than allowed."""

    status = 413
    code = "too_large"


class ConflictError(RefusedError):
    """Someone else changed it in the meantime."""

    status = 409
    code = "conflict"
