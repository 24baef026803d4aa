"""The token with which an outside program reports for one attempt over HTTP. Pure."""

from collections.abc import Sequence
from typing import Final

import jwt
import msgspec
from jwt.types import Options
from msgspec import Struct

from tidegate.errors import SettingsError, TokenError

_AUDIENCE: Final = "tidegate:attempt"


class AttemptToken(Struct, frozen=True):
    """Which attempt the bearer speaks for.

    Attributes:
        job: The job's id.
        fence: The attempt's fencing token.
        queue: The job's queue.
        exp: When the token ends, seconds since the epoch.
    """

    job: str
    fence: int
    queue: str
    exp: int


def sign(token: AttemptToken, secrets: str) -> str:
    """The token as a JSON Web Token (HS256), signed with the first of comma-separated secrets.

    Raises:
        SettingsError: There is no key to sign with.
    """
    key = secrets.split(",", maxsplit=1)[0].strip()
    if not key:
        raise SettingsError(
            "expected a key to sign attempt tokens with, found none; set TIDEGATE_SECRET_KEY"
        )
    return jwt.encode({**msgspec.structs.asdict(token), "aud": _AUDIENCE}, key, algorithm="HS256")


def verify(text: str, secrets: str, *, now: float) -> AttemptToken:
    """What a token says, once its signature (by any of the secrets) and time have been checked.

    Whether the attempt still holds its lease is for the fence to say.

    Raises:
        TokenError: It is forged, expired, malformed or of another kind.
    """
    token = _claimed(text, [secret.strip() for secret in secrets.split(",") if secret.strip()])
    if token.exp <= now:
        raise TokenError("this attempt's token has expired; the handler can issue a new one")
    return token


def _claimed(text: str, keys: Sequence[str]) -> AttemptToken:
    problem: Exception | None = None
    for key in keys:
        try:
            return msgspec.convert(_checked(text, key), AttemptToken)
        except (jwt.PyJWTError, msgspec.ValidationError) as error:
            problem = error
    raise TokenError(f"expected an attempt's token, found one that is not: {problem}") from problem


def _checked(text: str, key: str) -> object:
    options: Options = {"verify_exp": False, "require": ["exp"]}
    return jwt.decode(text, key, algorithms=["HS256"], audience=_AUDIENCE, options=options)
