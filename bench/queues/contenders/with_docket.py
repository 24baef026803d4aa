"""pydocket, checking every 5 ms, keeping no execution records."""

import asyncio
import sys
import time
from datetime import timedelta

import probe
from docket import Docket, Worker


async def noop(number: int) -> None:
    probe.tick()


async def timed(sent: float) -> None:
    probe.arrived(sent)


async def main() -> None:
    keep = timedelta(0)
    async with Docket(name="bench", url=probe.URL, execution_ttl=keep) as docket:
        docket.register(noop)
        docket.register(timed)
        if sys.argv[1] == "worker":
            check = timedelta(milliseconds=5)
            async with Worker(docket, concurrency=25, minimum_check_interval=check) as worker:
                await worker.run_forever()
        elif probe.verb() == "paced":
            for number in range(probe.JOBS):
                await asyncio.sleep(0.5 if number == 1 else 0.02)
                await docket.add(timed)(time.monotonic())
        else:
            start = time.monotonic()
            for number in range(probe.JOBS):
                await docket.add(noop)(number)
            probe.report({"seconds": time.monotonic() - start})


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
