"""Lets in only whoever sits at this machine, where there is no sign-in to tell people apart.

Commands run on this machine as well. Where each project has a user of its own, a command that asks
the API for what its user cannot reach is known by the user its socket belongs to.
"""

import os
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from apps.terminal.api.answers import refusal
from apps.terminal.sandbox.sandbox import UIDS

NODE: Final = re.compile(r'for="?(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d+)"?')
TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
ESTABLISHED: Final = "01"
# Columns of a table: the socket's own address, its state, and the user it belongs to.
LOCAL, STATE, USER = 1, 3, 7

Peer = tuple[str, int]


class SameMachine:
    """Refuses other machines, and commands as far as they have users of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._knows_users = os.geteuid() == 0 and all(table.exists() for table in TABLES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            reason = self._objection(scope, Headers(scope=scope))
            if reason is not None:
                await refusal(403, "other_machine", reason)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _objection(self, scope: Scope, headers: Headers) -> str | None:
        far = next((host for host in _hosts(scope, headers) if not is_loopback(host)), None)
        if far is not None:
            return (
                f"expected a request from this machine, found one from {far[:45]}; "
                "there is no sign-in here: set TERMINAL_AUTH to oidc or jwt to let others in"
            )
        front = forwarded_peer(headers)
        if front is not None and self._knows_users and not _is_person(front):
            return "expected a request of the owner's, found one of a command that runs here"
        return None


def forwarded_peer(headers: Headers) -> Peer | None:
    """Who is at the other end of the front door's socket; None if it does not say."""
    node = NODE.fullmatch(headers.get("forwarded", ""))
    return (node["v6"] or node["v4"], int(node["port"])) if node else None


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine; a unix socket's peer has no address."""
    if host in {"", "localhost"}:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def user_of(peer: Peer, tables: tuple[Path, ...] = TABLES) -> int | None:
    """The user whose open connection has `peer` as its own end; None if there is none."""
    wanted = set(_as_in_tables(*peer))
    for table in tables:
        for line in table.read_text().splitlines()[1:]:
            row = line.split()
            # A socket whose program has let go of it is shown as root's, and is none to trust.
            if row[LOCAL] in wanted and row[STATE] == ESTABLISHED:
                return int(row[USER])
    return None


def _is_person(peer: Peer) -> bool:
    user = user_of(peer)
    return user is not None and user not in UIDS


def _hosts(scope: Scope, headers: Headers) -> list[str]:
    """Every machine the request is said to have come by."""
    front = forwarded_peer(headers)
    said = [part.strip() for part in headers.get("x-forwarded-for", "").split(",")]
    return [(scope.get("client") or ("",))[0], front[0] if front else "", *said]


def _as_in_tables(host: str, port: int) -> list[str]:
    """How the kernel's tables spell an address: words of four bytes, each turned round."""
    packed = ip_address(host).packed
    spelled = [packed] if len(packed) > 4 else [packed, b"\0" * 10 + b"\xff\xff" + packed]  # noqa: PLR2004
    words = [
        [each[at : at + 4][::-1].hex().upper() for at in range(0, len(each), 4)] for each in spelled
    ]
    return [f"{''.join(each)}:{port:04X}" for each in words]
