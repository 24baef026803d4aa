"""The load generator: many raw WebSocket clients in one process, the same for every contender.

It counts what arrives, and on every fiftieth connection reads the time each event was sent. Frames
are parsed by hand: a client library would be what is measured.
"""

import argparse
import asyncio
import json
import os
import re
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

_STAMP = re.compile(rb'"t":(\d+)')
_SAMPLE = 50
_MASKED = 0x80


@dataclass
class Tally:
    """What all clients have seen."""

    ready: int = 0
    events: int = 0
    delays: list[float] = field(default_factory=list)
    lost: int = 0


def frame(text: bytes, opcode: int = 1) -> bytes:
    """A client's frame, masked with zeros, which leaves the text as it is."""
    size = len(text)
    head = bytes([0x80 | opcode])
    if size < 126:
        head += bytes([_MASKED | size])
    else:
        head += bytes([_MASKED | 126]) + size.to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


class Subscriber(asyncio.Protocol):
    """One connection: upgrade, say hello, count."""

    __slots__ = ("buffer", "dialect", "open", "sampled", "tally", "transport")

    def __init__(self, dialect: "Dialect", tally: Tally, *, sampled: bool) -> None:
        self.dialect = dialect
        self.tally = tally
        self.sampled = sampled
        self.buffer = b""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(  # type: ignore[attr-defined]
            b"GET " + self.dialect.path.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
            self.buffer = b""
        if not self.open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.buffer = data
                return
            if b" 101 " not in data[:20]:
                raise RuntimeError(data[:300].decode(errors="replace"))
            self.open = True
            for hello in self.dialect.hello:
                self.transport.write(frame(hello))  # type: ignore[attr-defined]
            if not self.dialect.hello:
                self.tally.ready += 1
            data = data[end + 4 :]
        self.frames(data)

    def frames(self, data: bytes) -> None:
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if size - start < length:
                break
            self.message(data[at] & 15, data[start : start + length])
            at = start + length
        self.buffer = data[at:]

    def message(self, opcode: int, text: bytes) -> None:
        if opcode == 9:
            self.transport.write(frame(text, 10))  # type: ignore[attr-defined]
            return
        answer = self.dialect.answers.get(text)
        if answer is not None:
            self.transport.write(frame(answer))  # type: ignore[attr-defined]
        elif self.dialect.ready in text:
            self.tally.ready += 1
        count = text.count(self.dialect.event)
        self.tally.events += count
        if self.sampled and count:
            now = time.monotonic_ns()
            self.tally.delays += [(now - int(sent)) / 1e6 for sent in _STAMP.findall(text)]

    def connection_lost(self, _: Exception | None) -> None:
        self.tally.lost += 1


@dataclass(frozen=True)
class Dialect:
    """How a contender is spoken to; texts are what appears in frames."""

    path: str
    hello: tuple[bytes, ...]
    ready: bytes
    event: bytes
    answers: dict[bytes, bytes] = field(default_factory=dict)


def dialect(name: str, token: str) -> Dialect:
    """The dialect of a contender."""
    if name == "tidegate":
        hello = (
            json.dumps({"id": 1, "connect": {"token": token}}).encode(),
            json.dumps({"id": 2, "subscribe": {"channel": "bench"}}).encode(),
        )
        return Dialect("/connection/websocket", hello, b'"subscribe":', b'"t":', {b"{}": b"{}"})
    if name == "nchan":
        return Dialect("/sub", (), b"\0", b'"t":')
    return Dialect(
        "/socket.io/?EIO=4&transport=websocket",
        (b"40",),
        b"40{",
        b'"t":',
        {b"2": b"3"},
    )


async def connect(port: int, count: int, how: Dialect, tally: Tally) -> list[Subscriber]:
    """`count` open, subscribed connections."""
    loop = asyncio.get_running_loop()
    subscribers = []
    for number in range(count):
        _, subscriber = await loop.create_connection(
            lambda sampled=number % _SAMPLE == 0: Subscriber(how, tally, sampled=sampled),
            "127.0.0.1",
            port,
        )
        subscribers.append(subscriber)
    async with asyncio.timeout(60):
        while tally.ready < count:  # noqa: ASYNC110 - counting must not pay for an event
            await asyncio.sleep(0.01)
    return subscribers


def resident(pids: list[int]) -> int:
    """KiB that processes hold in memory."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
    return total


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token", default="")
    parser.add_argument("--subscribers", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--pids", type=int, nargs="*", default=[])
    asked = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    tally = Tally()
    before = resident(asked.pids)
    await connect(asked.port, asked.subscribers, dialect(asked.name, asked.token), tally)
    print(json.dumps({"ready": tally.ready}), flush=True)
    idle = (resident(asked.pids) - before) / asked.subscribers
    await asyncio.sleep(1)  # the publisher, started on "ready", warms up
    tally.delays.clear()
    first, start = tally.events, time.monotonic()
    await asyncio.sleep(asked.seconds)
    took = time.monotonic() - start
    delays = sorted(tally.delays) or [float("nan")]
    seen = {
        "deliveries": (tally.events - first) / took,
        "p50": delays[len(delays) // 2],
        "p99": delays[int(len(delays) * 0.99)],
        "idle_kib": idle,
        "lost": tally.lost,
    }
    print(json.dumps(seen), flush=True)
    os._exit(0)  # thousands of sockets are closed fastest by the kernel


if __name__ == "__main__":
    uvloop.run(main())
