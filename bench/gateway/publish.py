"""Publishes at a rate from outside: to nchan over HTTP, to Tidegate through its client.

Usage: publish.py nchan PORT RATE, or publish.py tidegate VALKEY_URL RATE.
"""

import asyncio
import http.client
import sys
import time

_FILLER = "x" * 60


def to_nchan(port: int, rate: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    start, sent = time.monotonic(), 0
    while True:
        while sent < (time.monotonic() - start) * rate:
            body = f'{{"t":{time.monotonic_ns()},"filler":"{_FILLER}"}}'
            connection.request("POST", "/pub", body)
            connection.getresponse().read()
            sent += 1
        time.sleep(0.001)


async def to_tidegate(url: str, rate: float) -> None:
    from tidegate.channels.backends.valkey import ValkeyChannels
    from tidegate.connections.valkey import Valkey

    async with await Valkey.open(url, app="bench") as valkey, ValkeyChannels(valkey) as channels:
        start, sent = time.monotonic(), 0
        while True:
            while sent < (time.monotonic() - start) * rate:
                event = f'{{"t":{time.monotonic_ns()},"filler":"{_FILLER}"}}'
                await channels.append("bench", [event.encode()])
                sent += 1
            await asyncio.sleep(0.001)


if __name__ == "__main__":
    kind, where, wanted = sys.argv[1:]
    if kind == "nchan":
        to_nchan(int(where), float(wanted))
    else:
        import uvloop

        uvloop.run(to_tidegate(where, float(wanted)))
