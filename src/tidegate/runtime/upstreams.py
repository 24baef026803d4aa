"""Which service answers which path, and where it listens. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from tidegate.errors import SettingsError
from tidegate.spec import ServiceSpec

_DEFAULT_PORT: Final = 80


class Upstream(Struct, frozen=True):
    """Where a service listens: a unix socket, or a host and port.

    Attributes:
        prefix: Paths below it are the service's.
    """

    name: str
    prefix: str
    path: str | None = None
    host: str = ""
    port: int = 0

    def serves(self, path: str) -> bool:
        """Whether a path is at or below the prefix."""
        stem = self.prefix.rstrip("/")
        return path == stem or path.startswith(stem + "/")


class Upstreams:
    """The services behind a front door.

    Args:
        upstreams: One for each path that a service declares.
    """

    def __init__(self, upstreams: Iterable[Upstream]) -> None:
        self._longest_first = sorted(upstreams, key=lambda each: len(each.prefix), reverse=True)

    @classmethod
    def declared(cls, services: Iterable[ServiceSpec], told: Mapping[str, str]) -> "Upstreams":
        """The upstreams of declared services, each listening where `told` says by name.

        A service of which nothing is told is not behind this door.

        Raises:
            SettingsError: An address is neither an absolute path nor `http://host:port`.
        """
        return cls(
            _upstream(service.name, prefix, told[service.name])
            for service in services
            if service.name in told
            for prefix in service.paths
        )

    def find(self, path: str) -> Upstream | None:
        """The service a path belongs to, by the longest prefix; None where no one has it."""
        return next((each for each in self._longest_first if each.serves(path)), None)


def _upstream(name: str, prefix: str, address: str) -> Upstream:
    if address.startswith("/"):
        return Upstream(name, prefix, path=address)
    parts = urlsplit(address)
    if parts.scheme != "http" or not parts.hostname:
        raise SettingsError(
            f"service {name!r}: expected TIDEGATE_SERVICES to give the path of a socket or "
            f"http://host:port, found {address!r}"
        )
    return Upstream(name, prefix, host=parts.hostname, port=parts.port or _DEFAULT_PORT)
