"""Checks of tokens that an issuer signed."""

from typing import Any

import jwt

from apps.terminal.errors import SignInError
from apps.terminal.users.keys import Issuer


class TokenVerifier:
    """Believes tokens of one issuer, for one audience, with the algorithms allowed."""

    def __init__(
        self, issuer: Issuer, *, audience: str, algorithms: list[str], clock_skew: float
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._algorithms = algorithms
        self._clock_skew = clock_skew

    async def claims(self, token: str) -> dict[str, Any]:
        """What `token` says, once it is known to be true and in time.

        Raises:
            SignInError: It is forged, expired, for another audience, or no token at all.
            BackendUnavailableError: The issuer's keys cannot be fetched.
        """
        try:
            key = await self._issuer.key(token)
            return jwt.decode(
                token,
                key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer.url,
                leeway=self._clock_skew,
                options={"require": ["exp", "iat", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise SignInError(f"the token is refused: {error}; sign in again") from error
