"""The built page: its files, one page for all of its addresses, and headers that confine it."""

from pathlib import Path
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.terminal.errors import NotFoundError

# Vite puts a hash of the content into the names of these.
HASHED: Final = "assets/"
FOR_EVER: Final = "public, max-age=31536000, immutable"

# Styles are written by script (terminal and editor make rules as they need them), scripts never.
CONFINED: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}

NOT_BUILT: Final = """<!doctype html><meta charset="utf-8"><title>Terminal</title>
<style>body{font:16px/1.5 system-ui;max-width:36rem;margin:4rem auto;padding:0 1rem}</style>
<h1>The page is not built yet</h1>
<p>The service runs, and its API answers. To build the page, run this in the repository and load
again:</p><pre>npm ci &amp;&amp; npm run build</pre>
"""


class Page:
    """The files of a built page.

    Args:
        dist: The folder that the build wrote.
    """

    def __init__(self, dist: Path) -> None:
        self._dist = dist.resolve()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a file or an address of the page."""
        response = self._response(Request(scope))
        await response(scope, receive, send)

    def _response(self, request: Request) -> Response:
        path = str(request.path_params["path"])
        if request.method not in {"GET", "HEAD"}:
            return Response(status_code=405, headers={"allow": "GET, HEAD"})
        file = (self._dist / path).resolve()
        if path and file.is_relative_to(self._dist) and file.is_file():
            cached = FOR_EVER if path.startswith(HASHED) else "no-cache"
            return FileResponse(file, headers={"cache-control": cached})
        if "." in path.rpartition("/")[2]:
            raise NotFoundError(f"no file {path[:200]!r} on this page")
        return self._index()

    def _index(self) -> Response:
        index = self._dist / "index.html"
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, 503)
        return FileResponse(index, headers={"cache-control": "no-cache"})


class Confined:
    """Adds the headers that keep a page and its files to themselves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the answer what it does not say itself."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        host = Request(scope).headers.get("host", "")

        async def confined(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _headers(host).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, confined)


def _headers(host: str) -> dict[str, str]:
    return {
        "content-security-policy": _policy(host),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def _policy(host: str) -> str:
    # Older Safari does not count a socket to this host as 'self'.
    is_plain = all(character.isalnum() or character in ".-:[]" for character in host)
    sockets = f" ws://{host} wss://{host}" if host and is_plain else ""
    rules = {**CONFINED, "connect-src": "'self'" + sockets}
    return "; ".join(f"{name} {value}" for name, value in rules.items())
