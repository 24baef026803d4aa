"""Tokens from elsewhere, in the `Authorization` header of every request."""

from collections.abc import Sequence

import httpx
from starlette.requests import Request
from starlette.routing import BaseRoute

from apps.terminal.errors import SignInError
from apps.terminal.users.tokens import TokenVerifier
from apps.terminal.users.user import User, user_of_claims


class BearerMode:
    """People whose tokens another service issues, and whose page or proxy sends them along."""

    mode = "jwt"

    def __init__(self, verifier: TokenVerifier, http: httpx.AsyncClient) -> None:
        self._verifier = verifier
        self._http = http

    async def user(self, request: Request) -> User:
        """The person that the request's token speaks of.

        Raises:
            SignInError: There is no token, or it is refused.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise SignInError(
                "expected an Authorization header with a bearer token, found none",
                headers={"www-authenticate": "Bearer"},
            )
        return user_of_claims(await self._verifier.claims(token.strip()))

    def routes(self) -> Sequence[BaseRoute]:
        """None: sign-in happens elsewhere."""
        return ()

    async def close(self) -> None:
        """Close the connection to the issuer."""
        await self._http.aclose()
