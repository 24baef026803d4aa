"""Which hosts a server answers to, and which pages may connect to it. Pure.

A page of another site cannot read an answer of ours, but it can open a WebSocket; and a name that
an attacker points at 127.0.0.1 makes a page of theirs a page of ours. So a browser's `Origin` has
to be the server's own host or an allowed one, and a server on loopback answers only to its names.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


class HostPolicy:
    """The rule of one server.

    Args:
        is_loopback: Whether it listens on loopback only, and so answers only to loopback names.
        origins: Pages of other hosts that may connect, as `https://host[:port]`; they name hosts
            that it answers to as well. `*` lets every page connect.
    """

    def __init__(self, *, is_loopback: bool, origins: Iterable[str] = ()) -> None:
        self._is_loopback = is_loopback
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins if origin)
        self._hosts = _LOOPBACK | {urlsplit(origin).hostname for origin in self._origins}

    def refusal(self, host: str | None, origin: str | None) -> str | None:
        """Why a request with these headers is refused; None where it is not."""
        if self._is_loopback and _hostname(host) not in self._hosts:
            return (
                f"expected the host to be localhost, found {host!r}; "
                "set TIDEGATE_PUBLIC_URL to serve another name"
            )
        if origin is None or self._allows(origin.rstrip("/").lower(), host):
            return None
        return (
            f"expected a page of {host!r}, found one of {origin!r}; allow it with TIDEGATE_ORIGINS"
        )

    def _allows(self, origin: str, host: str | None) -> bool:
        if origin in self._origins or "*" in self._origins:
            return True
        # TLS may end before us, so the scheme says only which port is meant where none is named.
        parts = urlsplit(origin)
        port = _DEFAULT_PORTS.get(parts.scheme)
        return bool(parts.hostname) and _authority(parts.netloc, port) == _authority(host, port)


def _hostname(authority: str | None) -> str | None:
    return _split(authority)[0]


def _authority(authority: str | None, default_port: int | None) -> tuple[str | None, int | None]:
    name, port = _split(authority)
    return name, port or default_port


def _split(authority: str | None) -> tuple[str | None, int | None]:
    try:
        parts = urlsplit(f"//{authority or ''}")
        port = parts.port
    except ValueError:
        return None, None
    return parts.hostname, port
