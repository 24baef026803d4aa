"""Tokens that let a bearer use channels and queues: issue, verify, and what they grant.

A token is a JWT signed with HS256. `kid` names the key, so that keys can be rotated: the setting
`TIDEGATE_SECRET_KEY` may hold several secrets separated by commas; the first signs, all verify.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import jwt
import msgspec
from jwt.types import Options
from msgspec import Struct

from tidegate.channels.pattern import checked_pattern, matches
from tidegate.errors import ForbiddenError, SettingsError, TokenError

Right = Literal["subscribe", "publish", "history", "presence", "rpc", "enqueue", "admin"]

_ALGORITHM: Final = "HS256"
_LONGEST: Final = 16 * 1024
_SHORTEST_SECRET: Final = 32


class Cap(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Rights on the channels and queues that patterns name.

    Attributes:
        channels: Patterns of channel names; `*` stands for one segment.
        queues: Patterns of queue names, for `enqueue`; `*` stands for any one.
        match: How `channels` is read: `exact` takes `*` for nothing special.
        allow: The rights; `admin` stands for all of them, on everything.
    """

    channels: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    match: Literal["wildcard", "exact"] = "wildcard"
    allow: frozenset[Right] = frozenset()

    def names(self, channel: str) -> bool:
        """Whether it is about this channel."""
        if self.match == "exact":
            return channel in self.channels
        return any(matches(pattern, channel) for pattern in self.channels)


class Claims(Struct, frozen=True, kw_only=True):
    """What a token says: who its bearer is, until when, and what it may do.

    Attributes:
        sub: The user's id; empty for nobody in particular.
        exp: Seconds since the epoch at which it ends; None for never.
    """

    sub: str = ""
    exp: float | None = None
    caps: tuple[Cap, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether the bearer may do everything."""
        return any("admin" in cap.allow for cap in self.caps)

    def grants(self, right: Right, channel: str) -> bool:
        """Whether the bearer has this right on the channel."""
        return any(
            "admin" in cap.allow or (right in cap.allow and cap.names(channel)) for cap in self.caps
        )

    def grants_enqueue(self, queue: str) -> bool:
        """Whether the bearer may enqueue to the queue."""
        return any(
            "admin" in cap.allow
            or ("enqueue" in cap.allow and ("*" in cap.queues or queue in cap.queues))
            for cap in self.caps
        )

    def require(self, right: Right, channel: str) -> None:
        """Raise ForbiddenError where the bearer lacks the right."""
        if not self.grants(right, channel):
            raise ForbiddenError(
                f"expected a token that allows {right!r} on channel {channel!r}, found one for "
                f"{self.sub or 'nobody'!r} that does not; ask for one with that channel"
            )


NOBODY: Final = Claims()
ADMIN: Final = Claims(sub="admin", caps=(Cap(allow=frozenset({"admin"})),))


def bearer(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer` header; empty where there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class TokenExpiredError(TokenError):
    """The token was good until it ended; a new one is needed."""

    code = "token_expired"


class Keyring:
    """The secrets tokens are signed with, by key id.

    Args:
        secrets: At least one, the one that signs first; each at least 32 characters, whose UTF-8
            bytes are the key.

    Raises:
        SettingsError: There is none, or one is too short to be safe.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        if not secrets:
            raise SettingsError(
                "expected a secret to sign tokens with, found none; set TIDEGATE_SECRET_KEY"
            )
        self._keys = {_key_id(secret): _secret_bytes(secret) for secret in secrets}
        self._signer = _key_id(secrets[0])

    @classmethod
    def parse(cls, setting: str) -> "Keyring":
        """The keys of a `TIDEGATE_SECRET_KEY`: secrets separated by commas, the signer first."""
        return cls([secret.strip() for secret in setting.split(",") if secret.strip()])

    def issue(
        self, *, sub: str, now: float, ttl: float | None, caps: Sequence[Cap] = (), **more: object
    ) -> str:
        """A signed token.

        Args:
            sub: The user's id.
            now: Seconds since the epoch.
            ttl: Seconds it is good for; None for ever.
            caps: What it grants.
            **more: Further claims, for tokens of other kinds.

        Raises:
            ChannelError: A pattern of a cap is none.
        """
        for cap in caps:
            for pattern in cap.channels:
                checked_pattern(pattern)
        claims = {"sub": sub, "iat": int(now), "caps": msgspec.to_builtins(caps), **more}
        if ttl is not None:
            claims["exp"] = now + ttl
        return jwt.encode(
            claims, self._keys[self._signer], algorithm=_ALGORITHM, headers={"kid": self._signer}
        )

    def verify(self, token: str, *, now: float) -> Claims:
        """What a token says, if one of our keys signed it and it has not ended.

        Raises:
            TokenExpiredError: It ended before `now`.
            TokenError: It is missing, malformed, or signed by nobody we know.
        """
        return _claims(self.payload(token, now=now))

    def payload(self, token: str, *, now: float) -> Mapping[str, object]:
        """All claims of a token, checked as `verify` does, for tokens of other kinds."""
        if not token or len(token) > _LONGEST:
            raise TokenError(f"expected a token of 1 to {_LONGEST} characters, found {len(token)}")
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            payload: dict[str, object] = jwt.decode(
                token, key, algorithms=[_ALGORITHM], options=_LIBRARY_CHECKS
            )
        except (jwt.InvalidTokenError, KeyError, TypeError) as error:
            # The same words for every reason: a forger learns nothing from them.
            raise TokenError(
                "expected a token signed with a current key, found another; get a new one"
            ) from error
        _check_not_ended(payload.get("exp"), now)
        return payload


# Times are checked here, against the caller's clock; the rest is no business of the library's.
_LIBRARY_CHECKS: Final[Options] = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_sub": False,
}


def _check_not_ended(exp: object, now: float) -> None:
    if exp is None:
        return
    if isinstance(exp, bool) or not isinstance(exp, int | float):
        raise TokenError(f"expected exp in seconds since the epoch, found {type(exp).__name__}")
    if exp <= now:
        raise TokenExpiredError(f"the token ended {now - exp:.0f} s ago; get a new one")


def _claims(payload: Mapping[str, object]) -> Claims:
    try:
        return msgspec.convert(payload, Claims)
    except msgspec.ValidationError as error:
        raise TokenError(f"expected claims sub, exp and caps, found {error}") from error


def _key_id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def _secret_bytes(secret: str) -> bytes:
    if len(secret) < _SHORTEST_SECRET:
        raise SettingsError(
            f"expected secrets of at least {_SHORTEST_SECRET} characters in TIDEGATE_SECRET_KEY, "
            f"found one of {len(secret)}"
        )
    return secret.encode()
