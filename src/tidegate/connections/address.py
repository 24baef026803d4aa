"""Where a Valkey server is: the parsed form of a `TIDEGATE_VALKEY_URL`."""

import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from tidegate.errors import SettingsError

_PLAIN: Final = ("valkey", "redis")
_TLS: Final = ("valkeys", "rediss")
_DEFAULT_PORT: Final = 6379


@dataclass(frozen=True, slots=True)
class Address:
    """One server's address.

    Attributes:
        path: Unix socket path, or None for TCP.
        host: Host name for TCP.
        port: TCP port.
        username: ACL user, or None for the default one.
        password: Password, or None; never shown.
        tls: Whether the connection is encrypted.
        ca_file: PEM file of authorities to trust instead of the system's (`?ca=`).
    """

    path: str | None = None
    host: str = "localhost"
    port: int = _DEFAULT_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None

    @classmethod
    def parse(cls, url: str) -> "Address":
        """The address a URL names: `unix:///path`, `valkey://[user:pass@]host:port`, `valkeys://…`.

        `redis://` and `rediss://` mean the same.

        Raises:
            SettingsError: The URL is of another shape.
        """
        try:
            return cls._parsed(url)
        except ValueError as error:
            raise SettingsError(_expected("a port between 1 and 65535")) from error

    @classmethod
    def _parsed(cls, url: str) -> "Address":
        parts = urlsplit(url)
        if parts.scheme == "unix" and parts.path:
            return cls(path=unquote(parts.path), password=_unquoted(parts.password))
        if parts.scheme not in (*_PLAIN, *_TLS) or not parts.hostname:
            raise SettingsError(_expected(f"found scheme {parts.scheme or 'none'!r}"))
        return cls(
            host=parts.hostname,
            port=parts.port or _DEFAULT_PORT,
            username=_unquoted(parts.username) or None,
            password=_unquoted(parts.password),
            tls=parts.scheme in _TLS,
            ca_file=parse_qs(parts.query).get("ca", [None])[0],
        )

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS settings of this address; None where it is not encrypted."""
        return ssl.create_default_context(cafile=self.ca_file) if self.tls else None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def _unquoted(text: str | None) -> str | None:
    return None if text is None else unquote(text)


def _expected(found: str) -> str:
    # The URL itself may hold a password and is never repeated.
    return (
        "expected a Valkey URL like unix:///run/valkey.sock, valkey://host:6379 or "
        f"valkeys://user:password@host:6379; {found}; set TIDEGATE_VALKEY_URL"
    )
