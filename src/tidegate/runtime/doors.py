"""Listening sockets that `tidegate up` opens for its children, and asking who is behind one.

Because the supervisor holds them, connections made while a child restarts wait instead of being
refused, and one request that waits for its answer is all it takes to know when a child is ready.
"""

import asyncio
import ipaddress
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidegate.errors import UsageError

_BACKLOG: Final = 1024
_PAUSE: Final = 0.05
_SERVER_ERRORS: Final = 500
_SUCCESSES: Final = range(200, 300)


def open_port(host: str, port: int) -> socket.socket:
    """A socket that listens on a TCP port; port 0 takes a free one.

    Raises:
        UsageError: The port is taken, not allowed, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise UsageError(
            f"expected to listen on {host}:{port}, found: {error.strerror}; "
            "choose another with --port or --host"
        ) from error


def open_path(path: Path) -> socket.socket:
    """A socket that listens on a unix path, in place of any that was there."""
    with suppress(FileNotFoundError):
        path.unlink()
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(path))
    door.listen(_BACKLOG)
    return door


def url_of(door: socket.socket) -> str:
    """How a browser on this machine reaches a listening TCP socket."""
    host, port = door.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_private(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def answered(door: socket.socket, path: str) -> int:
    """The status with which the server behind a door answers `GET path`.

    Waits until there is one that does not fail; cancelling stops the waiting.
    """
    while True:
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            status = await _asked(door, path)
            if status < _SERVER_ERRORS:
                return status
        await asyncio.sleep(_PAUSE)


def is_success(status: int) -> bool:
    """Whether a load balancer would call this answer healthy."""
    return status in _SUCCESSES


async def _asked(door: socket.socket, path: str) -> int:
    if door.family == socket.AF_UNIX:
        reader, writer = await asyncio.open_unix_connection(door.getsockname())
    else:
        host, port = door.getsockname()[:2]
        reader, writer = await asyncio.open_connection(host, port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        line = await reader.readuntil(b"\r\n")
        return int(line.split()[1])
    finally:
        writer.close()
