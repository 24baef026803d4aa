"""The way from the front door to the services: HTTP, streamed both ways."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, Self

import httpcore
from starlette.responses import Response, StreamingResponse

from tidegate.api.refusal import NotFoundError, refusal
from tidegate.errors import TidegateError
from tidegate.observability.logs import Logger
from tidegate.runtime.upstreams import Upstream, Upstreams

log = Logger("tidegate.proxy")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_CONNECT_TIMEOUT: Final = 5.0
_IDLE_KEPT: Final = 32
# Headers about one hop, which the next must not see (RFC 9110, 7.6.1).
_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade"}
)
_REPLACED: Final = _HOP | {b"forwarded"}
# The server of the front door writes these itself.
_OURS: Final = _HOP | {b"transfer-encoding", b"date"}
_REPEATABLE: Final = frozenset({"GET", "HEAD"})


class ServiceUnreachableError(TidegateError):
    """A service does not take connections: it starts, or it is down."""

    code = "service_unavailable"
    status = 503


class ServiceBrokeOffError(TidegateError):
    """A service ended a connection before it had answered."""

    code = "bad_gateway"
    status = 502


class Proxy:
    """An ASGI application that hands requests to services. An async context manager.

    Neither bodies nor answers are kept: each part is passed on before the next is read.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._pools: dict[str | None, httpcore.AsyncConnectionPool] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for pool in self._pools.values():
            await pool.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (await self._answer(scope, receive))(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        upstream = self._upstreams.find(scope["path"])
        if upstream is None:
            return refusal(NotFoundError(f"no service is declared for {scope['path']!r}"))
        try:
            answered = await self._asked(upstream, scope, receive)
        except (httpcore.ConnectError, httpcore.ConnectTimeout):
            return refusal(
                ServiceUnreachableError(
                    f"service {upstream.name!r} takes no connections; it may be starting, try again"
                )
            )
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            log.warning("service_broke_off", service=upstream.name, error=str(error))
            return refusal(
                ServiceBrokeOffError(f"service {upstream.name!r} ended before it had answered")
            )
        return _passed_on(answered)

    async def _asked(self, upstream: Upstream, scope: Scope, receive: Receive) -> httpcore.Response:
        has_body = any(
            name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]
        )
        request = httpcore.Request(
            scope["method"],
            httpcore.URL(
                scheme=b"http",
                host=upstream.host or b"localhost",
                port=upstream.port or None,
                target=_target(scope),
            ),
            headers=_request_headers(scope),
            content=_body(receive) if has_body else None,
            extensions={"timeout": {"connect": _CONNECT_TIMEOUT}},
        )
        pool = self._pool(upstream)
        try:
            return await pool.handle_async_request(request)
        except httpcore.RemoteProtocolError:
            # An idle connection may be closed in the moment it is used again.
            if has_body or scope["method"] not in _REPEATABLE:
                raise
            return await pool.handle_async_request(request)

    def _pool(self, upstream: Upstream) -> httpcore.AsyncConnectionPool:
        pool = self._pools.get(upstream.path)
        if pool is None:
            pool = self._pools[upstream.path] = httpcore.AsyncConnectionPool(
                uds=upstream.path, max_connections=None, max_keepalive_connections=_IDLE_KEPT
            )
        return pool


def _target(scope: Scope) -> bytes:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def _request_headers(scope: Scope) -> Headers:
    client = scope.get("client")
    headers = [(name, value) for name, value in scope["headers"] if name not in _REPLACED]
    known = {name for name, _ in headers}
    if client:
        # Who is at the other end of our socket, whatever the request itself claims (RFC 7239).
        headers.append((b"forwarded", f'for="{_node(*client)}"'.encode()))
    if client and b"x-forwarded-for" not in known:
        headers.append((b"x-forwarded-for", str(client[0]).encode()))
    if b"x-forwarded-proto" not in known:
        headers.append((b"x-forwarded-proto", scope["scheme"].encode()))
    return headers


def _node(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise httpcore.ReadError("the client went away while it was sending")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _passed_on(answered: httpcore.Response) -> Response:
    async def content() -> AsyncIterator[bytes]:
        try:
            async for part in answered.aiter_stream():
                yield part
        finally:
            await answered.aclose()

    response = StreamingResponse(content(), status_code=answered.status)
    response.raw_headers = [
        (name.lower(), value) for name, value in answered.headers if name.lower() not in _OURS
    ]
    return response
