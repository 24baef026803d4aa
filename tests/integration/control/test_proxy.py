"""The way from the front door to a service, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from tidegate.gateway.hosts import HostPolicy
from tidegate.runtime.doors import open_path, open_port
from tidegate.runtime.front import Front
from tidegate.runtime.proxy import Proxy
from tidegate.runtime.tunnel import Tunnels
from tidegate.runtime.upstreams import Upstreams
from tidegate.spec import ServiceSpec


@dataclass
class Service:
    """A service, and what it has seen."""

    received: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def echo(self, request: Request) -> Response:
        return JSONResponse(
            {
                "method": request.method,
                "path": request.scope["raw_path"].decode(),
                "query": str(request.query_params),
                "headers": dict(request.headers),
                "body": (await request.body()).decode(),
            }
        )

    async def upload(self, request: Request) -> Response:
        async for part in request.stream():
            self.received.append(len(part))
            self.news.set()
        return PlainTextResponse(str(sum(self.received)))

    async def download(self, request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0.001)  # a stream without end, read at its pace
            finally:
                self.ended.set()

        return StreamingResponse(parts())

    async def plain(self, request: Request) -> Response:
        response = PlainTextResponse("hello")
        response.set_cookie("a", "1")
        response.set_cookie("b", "2")
        return response

    async def empty(self, request: Request) -> Response:
        return Response(status_code=204)

    async def socket(self, socket: WebSocket) -> None:
        self.headers.append(dict(socket.headers))
        await socket.accept(subprotocol="chat" if socket.scope["subprotocols"] else None)
        async for text in socket.iter_text():
            await socket.send_text(text)
        self.ended.set()


@dataclass
class Door:
    """The front door, and what stands behind it."""

    port: int
    service: Service
    folder: Path

    @property
    def http(self) -> httpx.AsyncClient:
        url = f"http://127.0.0.1:{self.port}"
        return httpx.AsyncClient(base_url=url, timeout=10, trust_env=False)

    def ws(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"


async def named(name: str) -> Any:
    async def answer(_request: Request) -> Response:
        return PlainTextResponse(name)

    return answer


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    service = Service()
    web = Starlette(
        routes=[
            Route("/echo/{rest:path}", service.echo, methods=["GET", "POST", "PUT", "DELETE"]),
            Route("/upload", service.upload, methods=["PUT"]),
            Route("/download", service.download),
            Route("/plain", service.plain),
            Route("/empty", service.empty, methods=["GET", "POST"]),
            WebSocketRoute("/socket", service.socket),
        ]
    )
    admin = Starlette(routes=[Route("/admin/{rest:path}", await named("admin"))])
    specs = [
        ServiceSpec(name="web", asgi="x:web"),
        ServiceSpec(name="admin", asgi="x:admin", paths=("/admin",)),
        ServiceSpec(name="down", asgi="x:down", paths=("/down",)),
        ServiceSpec(name="broken", asgi="x:broken", paths=("/broken",)),
    ]
    told = {spec.name: str(tmp_path / f"{spec.name}.sock") for spec in specs}
    upstreams = Upstreams.declared(specs, told)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        await enter(Front(web, [open_path(Path(told["web"]))], grace=1.0))
        await enter(Front(admin, [open_path(Path(told["admin"]))], grace=1.0))
        broken = await asyncio.start_unix_server(_broken, told["broken"])
        stack.callback(broken.close)
        proxy = await enter(Proxy(upstreams))
        tunnels = Tunnels(upstreams, HostPolicy(is_loopback=True))
        stack.callback(tunnels.close)
        public = open_port("127.0.0.1", 0)
        port = public.getsockname()[1]
        await enter(Front(proxy, [public], upgrades=tunnels, grace=1.0))
        yield Door(port, service, tmp_path)


async def _broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    writer.close()


async def test_a_request_arrives_as_it_was_sent(door: Door) -> None:
    async with door.http as http:
        answer = await http.put(
            "/echo/a%2Fb/c?x=1&y=a%20b", content="body", headers={"X-Mine": "1", "TE": "trailers"}
        )
    seen = answer.json()
    assert (seen["method"], seen["path"], seen["body"]) == ("PUT", "/echo/a%2Fb/c", "body")
    assert seen["query"] == "x=1&y=a+b"
    assert seen["headers"]["x-mine"] == "1"
    assert seen["headers"]["host"] == f"127.0.0.1:{door.port}"
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"
    assert "te" not in seen["headers"]


async def test_a_request_cannot_say_who_is_at_the_other_end(door: Door) -> None:
    claim = {"Forwarded": 'for="192.0.2.7:1"', "X-Forwarded-For": "192.0.2.7"}
    async with door.http as http:
        seen = (await http.get("/echo/a", headers=claim)).json()
    assert seen["headers"]["forwarded"].startswith('for="127.0.0.1:')
    assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"


async def test_an_answer_comes_back_as_it_was_given(door: Door) -> None:
    async with door.http as http:
        plain = await http.get("/plain")
        assert plain.text == "hello"
        assert len(plain.headers.get_list("set-cookie")) == 2
        assert len(plain.headers.get_list("date")) == 1
        assert (await http.head("/plain")).headers["content-length"] == "5"
        assert (await http.get("/empty")).status_code == 204
        assert (await http.get("/nothing")).status_code == 404


async def test_an_upload_is_passed_on_while_it_is_sent(door: Door) -> None:
    gate = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100_000
        await gate.wait()
        yield b"x" * 5_000_000

    async with door.http as http:
        sending = asyncio.create_task(http.put("/upload", content=body()))
        async with asyncio.timeout(10):
            await door.service.news.wait()
        assert not sending.done()
        gate.set()
        assert (await sending).text == "5100000"


async def test_a_download_is_passed_on_while_it_is_made_and_ends_with_its_reader(
    door: Door,
) -> None:
    async with door.http as http, http.stream("GET", "/download") as answer:
        parts = answer.aiter_bytes()
        assert await anext(parts)
        assert await anext(parts)
        assert not door.service.ended.is_set()
    async with asyncio.timeout(10):
        await door.service.ended.wait()


async def test_the_longest_prefix_has_the_path(door: Door) -> None:
    async with door.http as http:
        assert (await http.get("/admin/users")).text == "admin"
        assert (await http.get("/administrator")).status_code == 404


async def test_a_service_that_is_not_there_yet_is_said_to_be_starting(door: Door) -> None:
    async with door.http as http:
        answer = await http.get("/down/x")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "service_unavailable"
    assert "'down'" in answer.json()["error"]["message"]


async def test_a_service_that_breaks_off_is_a_bad_gateway(door: Door) -> None:
    async with door.http as http:
        answer = await http.get("/broken/x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "bad_gateway")


async def test_a_service_that_was_restarted_is_reached_again(door: Door) -> None:
    path = door.folder / "down.sock"

    async def whole(send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"up"})

    async def application(_scope: Any, _receive: Any, send: Any) -> None:
        await whole(send)

    async with door.http as http:
        for _ in range(2):
            async with Front(application, [open_path(path)], grace=1.0):
                assert (await http.get("/down/x")).text == "up"


async def test_a_websocket_is_passed_through_both_ways(door: Door) -> None:
    async with connect(door.ws("/socket"), subprotocols=["chat"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "chat"
        for text in ("hello", "x" * 300_000, "µ"):
            await socket.send(text)
            assert await socket.recv() == text
    async with asyncio.timeout(10):
        await door.service.ended.wait()


@pytest.mark.parametrize(("path", "status"), [("/down/socket", 503), ("/nothing", 403)])
async def test_a_websocket_that_nobody_takes_is_refused(door: Door, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(door.ws(path))
    assert caught.value.response.status_code == status
    if status == 503:
        assert json.loads(caught.value.response.body)["error"]["code"] == "service_unavailable"


async def test_a_page_of_another_site_gets_no_websocket_of_a_service(door: Door) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await connect(door.ws("/socket"), origin=Origin("https://evil.example"))
    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body)["error"]["code"] == "forbidden"
    own = Origin(f"http://127.0.0.1:{door.port}")
    claim = {"Forwarded": "for=192.0.2.7", "X-Forwarded-For": "192.0.2.7"}
    async with connect(door.ws("/socket"), origin=own, additional_headers=claim) as socket:
        await socket.send("?")
        assert await socket.recv() == "?"
    (headers,) = door.service.headers
    assert headers["forwarded"].startswith('for="127.0.0.1:')
    assert headers["x-forwarded-for"] == "127.0.0.1"


async def test_tunnels_end_with_the_door(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def held(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            pass
        ended.set()

    web = Starlette(routes=[WebSocketRoute("/", held)])
    path = tmp_path / "web.sock"
    upstreams = Upstreams.declared([ServiceSpec(name="web", asgi="x:web")], {"web": str(path)})
    tunnels = Tunnels(upstreams, HostPolicy(is_loopback=True))
    public = open_port("127.0.0.1", 0)
    port = public.getsockname()[1]
    async with (
        Front(web, [open_path(path)], grace=1.0),
        Proxy(upstreams) as proxy,
        Front(proxy, [public], upgrades=tunnels, grace=1.0),
        connect(f"ws://127.0.0.1:{port}/") as socket,
    ):
        tunnels.close()
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_a_body_that_comes_after_its_answer_does_not_spoil_the_next_request(
    door: Door,
) -> None:
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"POST /empty HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
        async with asyncio.timeout(5):
            assert b" 204 " in await reader.readline()
        writer.write(b"{}")
        writer.close()
        await writer.wait_closed()
        async with door.http as http:
            assert (await http.post("/echo/x", content=b"ab")).json()["body"] == "ab"
