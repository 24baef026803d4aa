"""The way from the front door to the services: HTTP, streamed both ways."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, Self

from starlette.responses import Response, StreamingResponse

from tidegate.api.refusal import NotFoundError, refusal
from tidegate.errors import TidegateError
from tidegate.observability.logs import Logger
from tidegate.runtime.forwarding import forwarded
from tidegate.runtime.hop import BrokenError, Connection, CutShortError, Hops, Request
from tidegate.runtime.upstreams import Upstream, Upstreams

log = Logger("tidegate.proxy")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Headers about one hop, which the next must not see (RFC 9110, 7.6.1).
_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"expect"}
)
# The server of the front door writes these itself.
_OURS: Final = _HOP | {b"transfer-encoding", b"date"}
_REPEATABLE: Final = frozenset({"GET", "HEAD"})


class ServiceUnreachableError(TidegateError):
    """A service does not take connections: it starts, or it is down."""

    code = "service_unavailable"
    status = 503

    def __init__(self, service: str) -> None:
        super().__init__(f"service {service!r} takes no connections; it may be starting, try again")
        self.service = service


class ServiceBrokeOffError(TidegateError):
    """A service ended a connection before it had answered."""

    code = "bad_gateway"
    status = 502

    def __init__(self, service: str) -> None:
        super().__init__(f"service {service!r} ended the connection before it had answered")
        self.service = service


class Proxy:
    """An ASGI application that hands requests to services. An async context manager.

    Neither bodies nor answers are kept: each part is passed on before the next is read.
    """

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams
        self._hops = Hops()

    async def __aenter__(self) -> Self:
        await self._hops.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._hops.__aexit__()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        upstream = self._upstreams.find(scope["path"])
        if upstream is None:
            failure = NotFoundError(f"no service is declared for {scope['path']!r}")
            await refusal(failure)(scope, receive, send)
            return
        try:
            connection = await self._asked(upstream, _request(scope, receive))
        except BrokenError as error:
            log.warning("service_broke_off", service=upstream.name, error=str(error))
            await refusal(ServiceBrokeOffError(upstream.name))(scope, receive, send)
        except OSError:
            await refusal(ServiceUnreachableError(upstream.name))(scope, receive, send)
        else:
            try:
                await _passed_on(connection)(scope, _after_upload(connection, receive), send)
            finally:
                await self._hops.give_back(upstream, connection)

    async def _asked(self, upstream: Upstream, request: Request) -> Connection:
        connection = await self._hops.take(upstream)
        try:
            return await _answering(connection, request)
        except BrokenError:
            # An idle connection may be closed in the moment it is used again.
            if connection.is_new or connection.has_answered or not _is_repeatable(request):
                raise
        return await _answering(await self._hops.open(upstream), request)


async def _answering(connection: Connection, request: Request) -> Connection:
    try:
        await connection.ask(request)
    except BaseException:
        await connection.close()
        raise
    return connection


def _is_repeatable(request: Request) -> bool:
    return request.body is None and request.method in _REPEATABLE


def _request(scope: Scope, receive: Receive) -> Request:
    path: bytes = scope["raw_path"]
    query: bytes = scope["query_string"]
    headers = [(name, value) for name, value in scope["headers"] if name not in _HOP]
    has_body = any(name in (b"content-length", b"transfer-encoding") for name, _ in headers)
    return Request(
        scope["method"],
        path + b"?" + query if query else path,
        forwarded(headers, scope.get("client"), scope["scheme"]),
        _body(receive) if has_body else None,
    )


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CutShortError("the client went away")
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _after_upload(connection: Connection, receive: Receive) -> Receive:
    """`receive`, for whoever waits for the client to go: until then the upload alone reads."""

    async def next_message() -> Message:
        await connection.sent()
        return await receive()

    return next_message


def _passed_on(connection: Connection) -> Response:
    response = StreamingResponse(connection.parts(), status_code=connection.status)
    response.raw_headers = [header for header in connection.headers if header[0] not in _OURS]
    return response
