"""Small values given to browsers and taken back: signed, dated, and good for one purpose."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import jwt

from apps.terminal.errors import RefusedError
from tidegate.clock import SYSTEM, Clock

ALGORITHM = "HS256"


class Seal:
    """Signs values for one purpose with a key that no other purpose shares.

    Args:
        secret: The app's secret.
        purpose: What the values are for; a value sealed for another is refused.
        clock: Dates them.
    """

    def __init__(self, secret: str, purpose: str, clock: Clock = SYSTEM) -> None:
        self._key = hmac.digest(secret.encode(), f"terminal:{purpose}".encode(), hashlib.sha256)
        self._purpose = purpose
        self._clock = clock

    def sealed(self, value: Mapping[str, object], *, ttl: float) -> str:
        """`value` as a token that `opened` accepts for `ttl` seconds."""
        expires = int(self._clock.now() + ttl)
        return jwt.encode({**value, "exp": expires}, self._key, algorithm=ALGORITHM)

    def opened(self, token: str) -> dict[str, Any]:
        """The value in `token`.

        Raises:
            RefusedError: It was not sealed here for this purpose, or its time is over.
        """
        try:
            value = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                options={"require": ["exp"], "verify_exp": False},
            )
        except jwt.PyJWTError as error:
            raise RefusedError(
                f"expected a {self._purpose} made here, found something else", code="bad_token"
            ) from error
        if value["exp"] <= self._clock.now():
            raise RefusedError(
                f"this {self._purpose} has expired; ask for another", code="expired", status=410
            )
        return value
