"""Keeps other sites from driving this one through a browser that is signed in.

A page of another site can make a browser send requests here, with the browser's cookies or, on a
laptop, simply from inside. It cannot choose the Host, Origin and Sec-Fetch-Site headers.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from apps.terminal.api.answers import refusal

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
OWN_SITE: Final = frozenset({"", "same-origin", "none"})
HEALTH: Final = "/healthz"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# A GET here hands out the token that opens the gateway, so it is guarded like a change.
GUARDED_READS: Final = ("/api/session",)


class SameSite:
    """Refuses requests that another site had a browser send.

    Args:
        app: What it protects.
        hosts: Host names, without port, that this service answers to; None for any, which is
            right only behind a proxy that checks them and with a sign-in.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] == "http":
            reason = self._objection(scope, Headers(scope=scope))
            if reason is not None:
                await refusal(403, "other_site", reason)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _objection(self, scope: Scope, headers: Headers) -> str | None:
        if scope["path"] == HEALTH:
            return None  # a load balancer asks by address, and learns nothing
        host = headers.get("host", "")
        # DNS rebinding: another site's name that resolves to this machine.
        if self._hosts is not None and _name(host) not in self._hosts:
            known = ", ".join(sorted(self._hosts))
            return f"expected a Host of {known}, found {host[:80]!r}; set TIDEGATE_PUBLIC_URL"
        if scope["method"] in SAFE and not scope["path"].startswith(GUARDED_READS):
            return None
        site = headers.get("sec-fetch-site", "")
        if site not in OWN_SITE:
            return f"expected a request from this site, found one from elsewhere ({site[:20]})"
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f"expected a request from {host}, found one from {origin[:80]!r}"
        return None


def _name(host: str) -> str:
    """`host` without its port."""
    bracket = host.rfind("]")
    colon = host.rfind(":")
    return (host[:colon] if colon > bracket else host).lower()
