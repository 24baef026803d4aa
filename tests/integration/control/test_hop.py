"""Answers of all shapes that a service may give, from a socket that says them literally."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tidegate.runtime.hop import BrokenError, Connection, Hops, Request
from tidegate.runtime.upstreams import Upstream

Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
GET = Request("GET", b"/", [(b"host", b"x")])


@asynccontextmanager
async def service(folder: Path, says: Says) -> AsyncIterator[tuple[Hops, Upstream]]:
    path = str(folder / "service.sock")

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await says(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_unix_server(served, path)
    async with server, Hops() as hops:
        yield hops, Upstream("service", "/", path=path)


def literally(*answers: bytes) -> Says:
    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)

    return says


async def asked(connection: Connection, request: Request) -> bytes:
    await connection.ask(request)
    return await body(connection)


async def body(connection: Connection) -> bytes:
    return b"".join([part async for part in connection.parts()])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", (200, b"hello")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            (200, b"hello"),
        ),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", (200, b"hello")),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n",
            (201, b""),
        ),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n", (304, b"")),
    ],
)
async def test_an_answer_is_read_whatever_says_its_end(
    tmp_path: Path, answer: bytes, expected: tuple[int, bytes]
) -> None:
    async with service(tmp_path, literally(answer)) as (hops, upstream):
        connection = await hops.take(upstream)
        await connection.ask(GET)
        assert (connection.status, await body(connection)) == expected
        await hops.give_back(upstream, connection)


async def test_the_answer_to_head_has_no_body(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    async with service(tmp_path, literally(head)) as (hops, upstream):
        connection = await hops.take(upstream)
        await connection.ask(Request("HEAD", b"/", []))
        assert await body(connection) == b""
        await hops.give_back(upstream, connection)
        assert not connection.is_open


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        CHUNKED + b"5\r\nhel",
    ],
)
async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    tmp_path: Path, answer: bytes
) -> None:
    async with service(tmp_path, literally(answer)) as (hops, upstream):
        connection = await hops.take(upstream)
        with pytest.raises(BrokenError):
            await asked(connection, GET)
        await connection.close()


async def test_a_connection_is_kept_for_the_next_request(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    async with service(tmp_path, literally(answer, answer)) as (hops, upstream):
        first = await hops.take(upstream)
        await first.ask(GET)
        await body(first)
        await hops.give_back(upstream, first)
        second = await hops.take(upstream)
        assert second is first
        await second.ask(GET)
        assert await body(second) == b"ok"
        await hops.give_back(upstream, second)


async def test_a_connection_that_was_held_back_at_the_end_of_an_answer_is_read_again(
    tmp_path: Path,
) -> None:
    large, small = b"x" * 300 * 1024, b"ok"
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(each) for each in (large, small)
    ]
    async with service(tmp_path, literally(answers[0] + large, answers[1] + small)) as (
        hops,
        upstream,
    ):
        connection = await hops.take(upstream)
        await connection.ask(GET)
        async with asyncio.timeout(5):
            while not connection._is_whole:  # noqa: ASYNC110 - it comes while nobody takes any
                await asyncio.sleep(0)
        assert await body(connection) == large
        await hops.give_back(upstream, connection)
        async with asyncio.timeout(5):
            assert await asked(await hops.take(upstream), GET) == small
        await hops.give_back(upstream, connection)


async def test_a_connection_whose_answer_was_not_read_to_its_end_is_not_kept(
    tmp_path: Path,
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"
    held = asyncio.Event()

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await literally(answer)(reader, writer)
        await held.wait()

    async with service(tmp_path, says) as (hops, upstream):
        connection = await hops.take(upstream)
        await connection.ask(GET)
        await hops.give_back(upstream, connection)
        assert not connection.is_open
        held.set()


async def test_an_answer_nobody_takes_stays_with_the_service(tmp_path: Path) -> None:
    sent = 0

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await literally(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")(reader, writer)
        for _ in range(100):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
            sent += 1_000_000

    async with service(tmp_path, says) as (hops, upstream):
        connection = await hops.take(upstream)
        await connection.ask(GET)
        parts = connection.parts()
        await anext(parts)
        await asyncio.sleep(0.2)  # what is not taken has every chance to arrive
        assert sent < 5_000_000
        taken = sum([len(part) async for part in parts])
        assert taken > 99_000_000
        await connection.close()


async def test_an_answer_may_come_before_the_upload_has_ended(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def upload() -> AsyncIterator[bytes]:
        yield b"first"
        await gate.wait()
        yield b"never sent"

    async with service(
        tmp_path, literally(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    ) as (hops, upstream):
        connection = await hops.take(upstream)
        chunked = [(b"transfer-encoding", b"chunked")]
        await connection.ask(Request("POST", b"/", chunked, upload()))
        assert connection.status == 413
        await hops.give_back(upstream, connection)
        assert not connection.is_open


async def test_a_body_of_unknown_length_is_sent_in_chunks(tmp_path: Path) -> None:
    seen: list[bytes] = []

    async def says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")[0])
        seen.append(await reader.readuntil(b"0\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async def upload() -> AsyncIterator[bytes]:
        for part in (b"one", b"", b"three"):
            yield part

    async with service(tmp_path, says) as (hops, upstream):
        connection = await hops.take(upstream)
        chunked = [(b"transfer-encoding", b"chunked")]
        await connection.ask(Request("PUT", b"/a?b", chunked, upload()))
        await connection.close()
    assert seen == [b"PUT /a?b HTTP/1.1", b"3\r\none\r\n5\r\nthree\r\n0\r\n\r\n"]
