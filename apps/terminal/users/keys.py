"""An issuer's metadata and public keys, fetched once and again when a new key is named."""

import asyncio
from typing import Any, Final, TypeVar

import httpx
import jwt
import msgspec
from jwt import PyJWK, PyJWKSet
from msgspec import Struct

from apps.terminal.errors import SignInError
from tidegate.clock import SYSTEM, Clock
from tidegate.errors import BackendUnavailableError

T = TypeVar("T")

KEPT: Final = 3600.0
# Tokens with made-up key names must not turn into requests to the issuer.
BETWEEN_FETCHES: Final = 10.0


class Metadata(Struct, frozen=True):
    """What an issuer says of itself (OpenID Connect Discovery), as far as it is used."""

    issuer: str
    jwks_uri: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""


class Issuer:
    """One issuer: its metadata and keys. Requests for the same thing share one fetch.

    Args:
        url: The issuer, as its tokens spell it.
        jwks_url: Where its keys are; empty where its metadata says.
        http: Asks it.
        clock: Ages what is kept.
    """

    def __init__(
        self, url: str, *, jwks_url: str, http: httpx.AsyncClient, clock: Clock = SYSTEM
    ) -> None:
        self.url = url
        self._jwks_url = jwks_url
        self._http = http
        self._clock = clock
        self._metadata: Metadata | None = None
        self._keys: PyJWKSet | None = None
        self._fetched_at = float("-inf")
        self._lock = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """What the issuer says of itself.

        Raises:
            BackendUnavailableError: It does not answer, or speaks for another issuer.
        """
        if self._metadata is None:
            address = f"{self.url.rstrip('/')}/.well-known/openid-configuration"
            found = await self._fetched(address, Metadata)
            if found.issuer != self.url:
                raise BackendUnavailableError(
                    f"expected {address} to speak for {self.url!r}, found {found.issuer!r}; "
                    "set TERMINAL_ISSUER to exactly what the issuer calls itself"
                )
            self._metadata = found
        return self._metadata

    async def key(self, token: str) -> PyJWK:
        """The public key that `token` says it is signed with.

        Raises:
            SignInError: The issuer has no such key.
            BackendUnavailableError: The issuer does not answer.
        """
        name = jwt.get_unverified_header(token).get("kid")
        async with self._lock:
            age = self._clock.monotonic() - self._fetched_at
            key = _named(self._keys, name)
            if age > KEPT or (key is None and age > BETWEEN_FETCHES):
                self._keys = await self._fetched_keys()
                self._fetched_at = self._clock.monotonic()
                key = _named(self._keys, name)
        if key is None:
            raise SignInError(
                "expected a token signed with one of the issuer's keys, found an unknown key; "
                "sign in again"
            )
        return key

    async def _fetched_keys(self) -> PyJWKSet:
        address = self._jwks_url or (await self.metadata()).jwks_uri
        try:
            return PyJWKSet.from_dict(await self._fetched(address, dict[str, Any]))
        except jwt.PyJWTError as error:
            raise BackendUnavailableError(f"expected keys at {address}: {error}") from error

    async def _fetched(self, address: str, type_: type[T]) -> T:
        try:
            answer = await self._http.get(address)
            answer.raise_for_status()
            return msgspec.json.decode(answer.content, type=type_)
        except (httpx.HTTPError, msgspec.MsgspecError) as error:
            raise BackendUnavailableError(
                f"expected the issuer to answer at {address}: {error}"
            ) from error


def _named(keys: PyJWKSet | None, name: str | None) -> PyJWK | None:
    if keys is None:
        return None
    signing = [key for key in keys.keys if key.public_key_use in ("sig", None)]
    if name is None:
        return signing[0] if len(signing) == 1 else None
    return next((key for key in signing if key.key_id == name), None)
