"""streaq, keeping no results."""

import asyncio
import time

import probe
from streaq import Worker

worker = Worker(redis_url=probe.URL, concurrency=16)


@worker.task(ttl=0, silent=True)
async def noop(number: int) -> None:
    probe.tick()


@worker.task(ttl=0, silent=True)
async def timed(sent: float) -> None:
    probe.arrived(sent)


async def main() -> None:
    async with worker:
        if probe.verb() == "paced":
            for number in range(probe.JOBS):
                await asyncio.sleep(0.5 if number == 1 else 0.02)
                await timed.enqueue(time.monotonic())
            return
        start = time.monotonic()
        if probe.verb() == "bulk":
            for first in range(0, probe.JOBS, 1000):
                rest = range(first, min(first + 1000, probe.JOBS))
                await worker.enqueue_many([noop.enqueue(number) for number in rest])
        else:
            for number in range(probe.JOBS):
                await noop.enqueue(number)
        probe.report({"seconds": time.monotonic() - start})


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
