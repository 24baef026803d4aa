"""Tidegate with every default: leases, fences, records, results."""

import asyncio
import time

import probe

from tidegate import App
from tidegate.client import Client

app = App("bench")
queue = app.queue("noops", slots=100, idle_timeout=3600)


@queue.job
async def noop(number: int) -> None:
    probe.tick()


@queue.job
async def timed(sent: float) -> None:
    probe.arrived(sent)


async def main() -> None:
    async with Client.open(app) as client:
        if probe.verb() == "paced":
            for number in range(probe.JOBS):
                await asyncio.sleep(0.5 if number == 1 else 0.02)
                await timed.enqueue(time.monotonic())
            return
        start = time.monotonic()
        if probe.verb() == "bulk":
            await client.enqueue_many(noop, [(number,) for number in range(probe.JOBS)])
        else:
            for number in range(probe.JOBS):
                await noop.enqueue(number)
        probe.report({"seconds": time.monotonic() - start})


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
